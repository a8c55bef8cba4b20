# git: its own threads, hard links, memory maps, hooks and child processes.
export GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'
git config --global user.name Tester
git config --global user.email tester@example.org
git config --global init.defaultBranch main
git init -q tree && cd tree
for i in $(seq 40); do seq $i > file$i; done
git add . && git commit -qm 'First'
printf '#!/bin/sh\necho the hook runs\n' > .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit
echo more >> file7 && git commit -qam 'Second'
git log --format='%h %s'
git diff --stat HEAD~1
git gc -q && git fsck --full && git count-objects -v | grep in-pack
git clone -q . ../copy && git -C ../copy log --oneline | wc -l
git checkout -qb side HEAD~1 && git -c core.hooksPath=/dev/null merge -q main && git status --short --branch
