// Sockets: pairs, local and TCP connections, passed descriptors, many messages at once.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "check.h"

static void pairs(void) {
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    int ends[2];
    CHECK(pipe(ends) == 0);
    // A descriptor travels with a message in two pieces.
    struct iovec pieces[2] = {{"ab", 2}, {"cde", 3}};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = pieces, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &ends[1], sizeof(int));
    CHECK(sendmsg(pair[0], &message, 0) == 5);
    char first[3] = "", second[10] = "";
    struct iovec places[2] = {{first, 2}, {second, 9}};
    memset(&control, 0, sizeof control);
    struct msghdr received = {
        .msg_iov = places, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control};
    CHECK(recvmsg(pair[1], &received, MSG_CMSG_CLOEXEC) == 5);
    CHECK(strcmp(first, "ab") == 0 && strcmp(second, "cde") == 0 &&
          received.msg_controllen == sizeof control);
    header = CMSG_FIRSTHDR(&received);
    int passed;
    memcpy(&passed, CMSG_DATA(header), sizeof passed);
    CHECK(header->cmsg_type == SCM_RIGHTS && write(passed, "!", 1) == 1 && read(ends[0], first, 1) == 1);
    struct ucred peer;
    socklen_t bytes = sizeof peer;
    CHECK(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 && peer.pid == getpid());
    CHECK(shutdown(pair[0], SHUT_WR) == 0 && read(pair[1], second, 1) == 0);
    CHECK_FAILS(sendto(pair[0], "x", 1, MSG_NOSIGNAL, NULL, 0), EPIPE);
}

static void local(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/sockets.%d", getpid());
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr*)&address, sizeof address) == 0 && listen(listener, 1) == 0);
    fflush(stdout);
    if (fork() == 0) {
        int client = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(client, (struct sockaddr*)&address, sizeof address) != 0) _exit(1);
        _exit(write(client, "hi", 2) != 2);
    }
    int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    char text[10] = "";
    CHECK(connection >= 0 && read(connection, text, 9) == 2 && strcmp(text, "hi") == 0);
    int status;
    CHECK(wait(&status) > 0 && status == 0);
    unlink(address.sun_path);
}

static void internet(void) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    CHECK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, peer;
    socklen_t bytes = sizeof address;
    CHECK(bind(listener, (struct sockaddr*)&address, sizeof address) == 0 && listen(listener, 5) == 0);
    CHECK(getsockname(listener, (struct sockaddr*)&address, &bytes) == 0 && address.sin_port != 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int result = connect(client, (struct sockaddr*)&address, sizeof address);
    CHECK(result == 0 || errno == EINPROGRESS);
    int server = accept(listener, (struct sockaddr*)&peer, &bytes);
    CHECK(server >= 0 && peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CHECK(setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    CHECK(send(server, "data", 4, 0) == 4);
    char text[10];
    struct pollfd input = {client, POLLIN, 0};
    CHECK(poll(&input, 1, 10000) == 1);
    CHECK(recv(client, text, 10, MSG_PEEK) == 4 && recv(client, text, 10, 0) == 4);
    CHECK_FAILS(recv(client, text, 10, MSG_DONTWAIT), EAGAIN);
}

static void datagrams(void) {
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
    struct iovec out[3] = {{"a", 1}, {"bb", 2}, {"ccc", 3}};
    struct mmsghdr messages[3] = {0};
    for (int i = 0; i < 3; ++i) messages[i].msg_hdr = (struct msghdr){.msg_iov = &out[i], .msg_iovlen = 1};
    CHECK(sendmmsg(pair[0], messages, 3, 0) == 3 && messages[2].msg_len == 3);
    char texts[4][8] = {{0}};
    struct iovec in[4];
    struct mmsghdr received[4] = {0};
    for (int i = 0; i < 4; ++i) {
        in[i] = (struct iovec){texts[i], 8};
        received[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
    }
    CHECK(recvmmsg(pair[1], received, 4, MSG_WAITFORONE, NULL) == 3);
    CHECK(strcmp(texts[0], "a") == 0 && strcmp(texts[2], "ccc") == 0 && received[1].msg_len == 2);
}

int main(void) {
    pairs();
    local();
    internet();
    datagrams();
    return verdict();
}
