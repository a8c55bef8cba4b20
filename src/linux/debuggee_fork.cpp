// fork(2) and execve(2) under a debugger. Its thread and the descriptors of that are neither the child's nor those of
// the kiln that runs the new program. Such an heir asks at a socket in the abstract name space what shall become of
// it, and is told to run on by itself or is handed the connection; the new program gets it through exec.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "linux/debuggee.h"
#include "linux/process.h"

namespace kiln::user {

using run::ForkChoice;
using run::StopKind;

namespace {

/// A message of some bytes, with room for the control message that carries one descriptor.
struct Message {
    Message(void* bytes, std::size_t count) : text{bytes, count} {
        header.msg_iov = &text;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof control;
    }
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;
    cmsghdr* descriptor_header() { return CMSG_FIRSTHDR(&header); }

    iovec text;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
    msghdr header{};
};

/// Sends `descriptor` and `notes`, and nothing more after them.
bool send_choice(int socket, std::string_view notes, int descriptor) {
    Message message(const_cast<char*>(notes.data()), notes.size());
    cmsghdr* const header = message.descriptor_header();
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    const bool sent = ::sendmsg(socket, &message.header, MSG_NOSIGNAL) == static_cast<ssize_t>(notes.size());
    ::shutdown(socket, SHUT_WR);
    return sent;
}

/// What comes until the other side has sent all; a read of 0 bytes or an error ends it.
template <class Read>
void read_to_end(Read&& read) {
    for (ssize_t bytes; (bytes = read()) != 0;)
        if (bytes < 0 && errno != EINTR) return;
}

/// The descriptor that send_choice() sent, and its notes; -1: none.
int receive_choice(int socket, std::string& notes) {
    int descriptor = -1;
    read_to_end([&] {
        char piece[4096];
        Message message(piece, sizeof piece);
        const ssize_t bytes = ::recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC);
        if (bytes <= 0) return bytes;
        notes.append(piece, static_cast<std::size_t>(bytes));
        const cmsghdr* const header = message.descriptor_header();
        if (header != nullptr && header->cmsg_type == SCM_RIGHTS)
            std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
        return bytes;
    });
    return descriptor;
}

/// Waits for the process `child`, which may be this one, at `listener`; -1: it does not come.
int accept_child(int listener, pid_t child) {
    constexpr int patience_ms = 5000;
    for (;;) {
        pollfd input{listener, POLLIN, 0};
        if (::poll(&input, 1, patience_ms) <= 0) return -1;
        const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket < 0) return -1;
        ucred peer{};
        socklen_t bytes = sizeof peer;
        if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 && peer.pid == child)
            return socket;
        ::close(socket);
    }
}

}  // namespace

void DebuggedProcess::report_processes(run::ProcessEvents events) {
    bool possible = true;
    // Bound to no name, the socket is given one that nobody has.
    if ((events.forks || events.vforks || events.programs) && heirs_listener_ < 0) {
        heirs_listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        heirs_address_bytes_ = sizeof name;
        if (::bind(heirs_listener_, reinterpret_cast<sockaddr*>(&name), sizeof name.sun_family) != 0 ||
            ::listen(heirs_listener_, 1) != 0 ||
            ::getsockname(heirs_listener_, reinterpret_cast<sockaddr*>(&heirs_address_),
                          &heirs_address_bytes_) != 0)
            possible = false;
    }
    const std::scoped_lock lock(mutex_);
    reported_ = possible ? events : run::ProcessEvents{};
}

bool DebuggedProcess::reports(StopKind kind) const {
    return active_ && (kind == StopKind::fork ? reported_.forks : reported_.vforks);
}

std::optional<StopKind> DebuggedProcess::vfork_is_told_as() const {
    const std::scoped_lock lock(mutex_);
    for (StopKind kind : {StopKind::vfork, StopKind::fork})
        if (reports(kind)) return kind;
    return std::nullopt;
}

void DebuggedProcess::stop_after_call(DebuggedThread& self, run::StopEvent event) {
    const int signal = stop(self, event);
    const std::scoped_lock lock(mutex_);
    self.signal = signal;
}

void DebuggedProcess::after_fork_in_parent(Thread& thread, pid_t child, StopKind kind) {
    {
        const std::scoped_lock lock(mutex_);
        if (!reports(kind)) return;
    }
    stop_after_call(*thread.debugged, {.kind = kind, .child = child});
}

void DebuggedProcess::report_vfork_done(Thread& thread) {
    stop_after_call(*thread.debugged, {.kind = StopKind::vfork_done});
}

void DebuggedProcess::settle_fork(ForkChoice choice, i64 child, int connection, std::string_view notes) {
    const int socket = accept_child(heirs_listener_, static_cast<pid_t>(child));
    if (socket < 0) return;
    if (choice == ForkChoice::child && send_choice(socket, notes, connection)) {
        {
            const std::scoped_lock lock(mutex_);
            followed_child_ = child;
        }
        // A child that nobody holds a parent for has closed its end.
        char nothing;
        read_to_end([&] { return ::read(socket, &nothing, 1); });
    }
    ::close(socket);
}

void DebuggedProcess::release_parent() { ::close(std::exchange(parents_socket_, -1)); }

bool DebuggedProcess::has_followed(i64 child) const {
    const std::scoped_lock lock(mutex_);
    return followed_child_ == child;
}

int DebuggedProcess::ask_for_connection(std::string& notes, int& socket) const {
    socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&heirs_address_), heirs_address_bytes_) != 0)
        return -1;
    return receive_choice(socket, notes);
}

std::string DebuggedProcess::connection_for_program(Thread& thread, int& connection) {
    connection = -1;
    {
        const std::scoped_lock lock(mutex_);
        if (!active_ || !reported_.programs || thread.debugged == nullptr) return {};
    }
    stop_after_call(*thread.debugged, {.kind = StopKind::execute});
    std::string notes;
    int socket = -1;
    connection = ask_for_connection(notes, socket);
    ::close(socket);
    if (connection < 0) return {};
    ::fcntl(connection, F_SETFD, 0);
    return "--gdb-connection=" + std::to_string(connection) + "," + notes;
}

void DebuggedProcess::hand_over(std::span<const run::Resumption> resumptions, int connection,
                                std::string_view notes) {
    resume(resumptions);
    const int socket = accept_child(heirs_listener_, getpid());
    if (socket < 0) return;
    send_choice(socket, notes, connection);
    ::close(socket);
}

void DebuggedProcess::note_executed() {
    const std::scoped_lock lock(mutex_);
    threads_.front().event =
        run::StopEvent{.kind = StopKind::executed, .thread = threads_.front().thread.tid};
}

void DebuggedProcess::after_fork_in_child(Thread& thread, StopKind kind) {
    // The debugger's thread is the parent's. What it had asked for goes.
    process_.debugged = nullptr;
    thread.debugged = nullptr;
    thread.context.watch = nullptr;
    process_.engine.set_stops({});
    process_.engine.set_watching(false);
    if (!reports(kind)) return;
    std::string notes;
    int socket = -1;
    const int connection = ask_for_connection(notes, socket);
    if (connection >= 0) {
        // Lives as long as the process.
        auto* debugged = new DebuggedProcess(process_);
        process_.debugged = debugged;
        debugged->parents_socket_ = socket;
        debugged->enter(thread);
        process_.request.debugger->adopt(*debugged, connection, notes);
    }
    ::close(socket);  // the debugger's thread has its own
}

}  // namespace kiln::user
