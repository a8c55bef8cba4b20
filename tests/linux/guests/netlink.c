// What of the network a guest asks the kernel for: interfaces, addresses and routes by netlink and by the C library;
// control messages beyond descriptors; socket options with structures.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "check.h"

/// Asks for all of a kind; how many came. `first_name`: room for the first IFLA_IFNAME.
static int dump(int netlink, int type, int family, char* first_name) {
    struct {
        struct nlmsghdr header;
        struct rtgenmsg body;
    } request = {{.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg)),
                  .nlmsg_type = type,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                  .nlmsg_seq = 7},
                 {.rtgen_family = family}};
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    CHECK(sendto(netlink, &request, request.header.nlmsg_len, 0, (struct sockaddr*)&kernel, sizeof kernel) ==
          request.header.nlmsg_len);
    static char answer[1 << 16] __attribute__((aligned(8)));
    for (int count = 0;;) {
        struct iovec place = {answer, sizeof answer};
        struct msghdr message = {
            .msg_name = &kernel, .msg_namelen = sizeof kernel, .msg_iov = &place, .msg_iovlen = 1};
        const long bytes = recvmsg(netlink, &message, 0);
        CHECK(bytes > 0 && kernel.nl_pid == 0);
        if (bytes <= 0) return -1;
        unsigned left = (unsigned)bytes;
        for (struct nlmsghdr* one = (struct nlmsghdr*)answer; NLMSG_OK(one, left);
             one = NLMSG_NEXT(one, left)) {
            CHECK(one->nlmsg_seq == 7);
            if (one->nlmsg_type == NLMSG_DONE) return count;
            if (one->nlmsg_type == NLMSG_ERROR) return -1;
            if (count++ != 0 || first_name == NULL) continue;
            struct ifinfomsg* link = NLMSG_DATA(one);
            int room = (int)IFLA_PAYLOAD(one);
            for (struct rtattr* fact = IFLA_RTA(link); RTA_OK(fact, room); fact = RTA_NEXT(fact, room))
                if (fact->rta_type == IFLA_IFNAME) strcpy(first_name, RTA_DATA(fact));
        }
    }
}

static void links_and_addresses(void) {
    const int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct sockaddr_nl own = {.nl_family = AF_NETLINK};
    socklen_t bytes = sizeof own;
    CHECK(netlink >= 0 && bind(netlink, (struct sockaddr*)&own, sizeof own) == 0);
    CHECK(getsockname(netlink, (struct sockaddr*)&own, &bytes) == 0 && own.nl_pid != 0);
    char name[IFNAMSIZ] = "";
    printf("links %d, ", dump(netlink, RTM_GETLINK, AF_UNSPEC, name));
    printf("the first is %s\n", name);
    printf("addresses %d\n", dump(netlink, RTM_GETADDR, AF_UNSPEC, NULL));
    printf("routes %d\n", dump(netlink, RTM_GETROUTE, AF_INET, NULL));
    printf("rules %d\n", dump(netlink, RTM_GETRULE, AF_INET, NULL));
    int one = 1;
    CHECK(setsockopt(netlink, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one) == 0);
    CHECK(setsockopt(netlink, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one) == 0);
    close(netlink);

    unsigned index = if_nametoindex("lo");
    CHECK(index != 0 && if_indextoname(index, name) != NULL && strcmp(name, "lo") == 0);
    struct ifaddrs *list, *each;
    int loopback = 0;
    CHECK(getifaddrs(&list) == 0);
    for (each = list; each != NULL; each = each->ifa_next)
        if (each->ifa_addr != NULL && each->ifa_addr->sa_family == AF_INET &&
            strcmp(each->ifa_name, "lo") == 0)
            loopback += ((struct sockaddr_in*)each->ifa_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    CHECK(loopback == 1);
    freeifaddrs(list);
}

static void credentials(void) {
    int pair[2], one = 1;
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
    CHECK(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one) == 0);
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct iovec piece = {"x", 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){CMSG_LEN(sizeof(struct ucred)), SOL_SOCKET, SCM_CREDENTIALS};
    const struct ucred self = {getpid(), getuid(), getgid()};
    memcpy(CMSG_DATA(header), &self, sizeof self);
    header = CMSG_NXTHDR(&message, header);
    *header = (struct cmsghdr){CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), pair, 2 * sizeof(int));
    CHECK(sendmsg(pair[0], &message, 0) == 1);
    memset(&control, 0, sizeof control);
    char byte;
    piece = (struct iovec){&byte, 1};
    CHECK(recvmsg(pair[1], &message, 0) == 1 && byte == 'x');
    int creds = 0, rights = 0;
    for (header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_type == SCM_CREDENTIALS) {
            struct ucred sent;
            memcpy(&sent, CMSG_DATA(header), sizeof sent);
            creds += sent.pid == getpid() && sent.uid == getuid();
        } else if (header->cmsg_type == SCM_RIGHTS) {
            int passed[2];
            memcpy(passed, CMSG_DATA(header), sizeof passed);
            struct stat a, b;
            rights += fstat(passed[0], &a) == 0 && fstat(pair[0], &b) == 0 && a.st_ino == b.st_ino;
            close(passed[0]);
            close(passed[1]);
        }
    }
    CHECK(creds == 1 && rights == 1);
    // Too little room: the rest is dropped, and said so.
    message.msg_controllen = 4;
    CHECK(write(pair[0], "y", 1) == 1 && recvmsg(pair[1], &message, 0) == 1);
    CHECK(message.msg_flags & MSG_CTRUNC);
    // A list that says more than there is.
    control.header = (struct cmsghdr){1000, SOL_SOCKET, SCM_RIGHTS};
    message.msg_controllen = sizeof control;
    message.msg_flags = 0;
    CHECK_FAILS(sendmsg(pair[0], &message, 0), EINVAL);
}

static void datagrams(void) {
    const int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int one = 1;
    CHECK(bind(receiver, (struct sockaddr*)&address, sizeof address) == 0);
    CHECK(getsockname(receiver, (struct sockaddr*)&address, &bytes) == 0);
    CHECK(setsockopt(receiver, SOL_SOCKET, SO_TIMESTAMP, &one, sizeof one) == 0);
    CHECK(setsockopt(receiver, IPPROTO_IP, IP_PKTINFO, &one, sizeof one) == 0);
    CHECK(setsockopt(receiver, IPPROTO_IP, IP_RECVTTL, &one, sizeof one) == 0);
    CHECK(sendto(sender, "hello", 5, 0, (struct sockaddr*)&address, sizeof address) == 5);
    char text[16], control[256];
    struct iovec piece = {text, sizeof text};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK(recvmsg(receiver, &message, 0) == 5);
    int stamps = 0, places = 0, lives = 0;
    for (struct cmsghdr* header = CMSG_FIRSTHDR(&message); header != NULL;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_type == SCM_TIMESTAMP && header->cmsg_level == SOL_SOCKET) {
            struct timeval then, now;
            memcpy(&then, CMSG_DATA(header), sizeof then);
            gettimeofday(&now, NULL);
            stamps += now.tv_sec - then.tv_sec <= 2;
        }
        if (header->cmsg_type == IP_PKTINFO && header->cmsg_level == IPPROTO_IP) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(header), sizeof info);
            places += info.ipi_addr.s_addr == htonl(INADDR_LOOPBACK);
        }
        lives += header->cmsg_type == IP_TTL && header->cmsg_level == IPPROTO_IP;
    }
    CHECK(stamps == 1 && places == 1 && lives == 1);
    // An error that comes back, with whom it is about.
    const int nobody = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(setsockopt(nobody, IPPROTO_IP, IP_RECVERR, &one, sizeof one) == 0);
    close(receiver);
    CHECK(connect(nobody, (struct sockaddr*)&address, sizeof address) == 0 && send(nobody, "x", 1, 0) == 1);
    CHECK_FAILS(recv(nobody, text, 1, 0), ECONNREFUSED);
    message.msg_controllen = sizeof control;
    CHECK(recvmsg(nobody, &message, MSG_ERRQUEUE) == 1 && message.msg_flags & MSG_ERRQUEUE);
}

static void options(void) {
    const int stream = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval wait = {0, 20000}, seen = {0, 0};
    socklen_t bytes = sizeof seen;
    CHECK(setsockopt(stream, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0);
    CHECK(getsockopt(stream, SOL_SOCKET, SO_RCVTIMEO, &seen, &bytes) == 0 && seen.tv_usec == 20000 &&
          bytes == 16);
    struct linger linger = {1, 5}, again = {0, 0};
    bytes = sizeof again;
    CHECK(setsockopt(stream, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    CHECK(getsockopt(stream, SOL_SOCKET, SO_LINGER, &again, &bytes) == 0 && again.l_linger == 5);
    struct tcp_info info;
    bytes = sizeof info;
    CHECK(getsockopt(stream, IPPROTO_TCP, TCP_INFO, &info, &bytes) == 0 && info.tcpi_state == TCP_CLOSE);
    int value = 0;
    bytes = sizeof value;
    CHECK(getsockopt(stream, SOL_SOCKET, SO_TYPE, &value, &bytes) == 0 && value == SOCK_STREAM);
    CHECK(getsockopt(stream, SOL_SOCKET, SO_PROTOCOL, &value, &bytes) == 0 && value == IPPROTO_TCP);
    bytes = 1;
    CHECK(getsockopt(stream, SOL_SOCKET, SO_TYPE, &value, &bytes) == 0 && bytes == 1);
    CHECK_FAILS(getsockopt(stream, SOL_SOCKET, 12345, &value, &bytes), ENOPROTOOPT);
    CHECK_FAILS(getsockopt(stream, SOL_SOCKET, SO_TYPE, (void*)8, &bytes), EFAULT);
    CHECK_FAILS(setsockopt(stream, SOL_SOCKET, SO_LINGER, &linger, 3), EINVAL);
    // Only what the filter lets through arrives.
    struct {
        unsigned short code;
        unsigned char jt, jf;
        unsigned k;
    } nothing[] = {{6 /* return */, 0, 0, 0}};
    struct {
        unsigned short count;
        void* filter;
    } program = {1, nothing};
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
    CHECK(setsockopt(pair[1], SOL_SOCKET, 26 /* SO_ATTACH_FILTER */, &program, sizeof program) == 0);
    (void)!send(pair[0], "x", 1, MSG_DONTWAIT);
    CHECK_FAILS(recv(pair[1], &value, 1, MSG_DONTWAIT), EAGAIN);
    // Without a name, and with one that is no file.
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int unnamed = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(unnamed, (struct sockaddr*)&address, sizeof address.sun_family) == 0 &&
          listen(unnamed, 1) == 0);
    bytes = sizeof address;
    CHECK(getsockname(unnamed, (struct sockaddr*)&address, &bytes) == 0 && bytes == 8);
    CHECK(address.sun_path[0] == 0);
    const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(connect(client, (struct sockaddr*)&address, bytes) == 0);
}

int main(void) {
    links_and_addresses();
    credentials();
    datagrams();
    options();
    return verdict();
}
