# Hashes, regular expressions, sorting and string building, without a module. The argument is how often.
use strict;
use warnings;

my $state;
sub random { $state = ($state * 1103515245 + 12345) & 0x7fffffff; return ($state >> 8) % $_[0]; }

sub round {
    $state = 12345;
    my $text = "";
    $text .= join("", map { chr(97 + random(6)) } 1 .. 3 + random(6)) . (random(9) ? " " : "\n") for 1 .. 12000;

    my %count;
    $count{$_}++ for $text =~ /\b([a-f]+)\b/g;
    my @ranked = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
    print scalar(@ranked), " @ranked[0 .. 7]\n";

    (my $changed = $text) =~ s/([ab]+)([cd]+)/$2$1/g;
    my $vowels = ($changed =~ tr/ae//);
    my $longest = 0;
    for my $line (split /\n/, $changed) {
        my @fields = split / /, $line;
        $longest = @fields if @fields > $longest;
    }
    printf "%d %d %.4f\n", $vowels, $longest, length($changed) / scalar(@ranked);
}

round() for 1 .. $ARGV[0];
