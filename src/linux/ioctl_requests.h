// The headers that name the requests of ioctls.def. What they lack, or have behind types that cannot stand beside
// the C library's, is here: the structures only count for the sizes in request numbers.
#pragma once

#include <linux/blkzoned.h>
#include <linux/cdrom.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fscrypt.h>
#include <linux/fsverity.h>
#include <linux/fuse.h>
#include <linux/hdreg.h>
#include <linux/if_tun.h>
#include <linux/if_vlan.h>
#include <linux/kd.h>
#include <linux/loop.h>
#include <linux/msdos_fs.h>
#include <linux/nsfs.h>
#include <linux/random.h>
#include <linux/rtc.h>
#include <linux/sockios.h>
#include <linux/udmabuf.h>
#include <linux/vt.h>
#include <linux/watchdog.h>
#include <net/if.h>
#include <sys/ioctl.h>

// <asm/termbits.h>, which has it, cannot stand beside <sys/ioctl.h>.
struct termios2 {
    unsigned int flags[4];
    unsigned char line_and_characters[20];
    unsigned int speeds[2];
};
static_assert(sizeof(termios2) == 44);
