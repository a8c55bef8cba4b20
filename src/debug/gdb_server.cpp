#include "debug/gdb_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>

#include "base/log.h"
#include "debug/gdb_framing.h"
#include "debug/gdb_session.h"

namespace kiln::debug {
namespace {

/// What the serving thread is given; it lives until the thread says so.
struct Start {
    run::Debuggee& debuggee;
    int connection;
    GdbNotes notes;
    sem_t separated;  ///< the thread has descriptors of its own
};

class Connection {
  public:
    explicit Connection(int fd) : fd_(fd) {}
    ~Connection() { ::close(fd_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// The next input; waits for it. None: the other side has gone.
    std::optional<GdbInput> receive() {
        for (;;) {
            if (auto input = reader_.next()) return input;
            if (!read_more(0)) return std::nullopt;
        }
    }
    /// The next input that is there already; `gone` when the other side has gone.
    std::optional<GdbInput> poll(bool& gone) {
        if (auto input = reader_.next()) return input;
        gone = !read_more(MSG_DONTWAIT);
        return reader_.next();
    }
    void send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;
            if (sent <= 0) return;  // receive() will find out
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }

  private:
    bool read_more(int flags) {
        u8 piece[4096];
        for (;;) {
            const ssize_t got = ::recv(fd_, piece, sizeof piece, flags);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
            reader_.feed({piece, static_cast<std::size_t>(got)});
            return got > 0;
        }
    }

    const int fd_;
    GdbReader reader_;
};

/// The whole conversation.
void serve(run::Debuggee& debuggee, int fd, GdbNotes notes) {
    Connection connection(fd);
    GdbSession session(debuggee, fd, std::move(notes));
    std::string last_frame;
    const auto answer = [&](std::string_view payload) {
        last_frame = gdb_frame(payload);
        connection.send(last_frame);
    };
    while (session.state() == GdbSession::State::stopped || session.state() == GdbSession::State::running) {
        std::optional<GdbInput> input;
        if (session.state() == GdbSession::State::running) {
            if (const auto event = debuggee.next_event()) {
                if (event->kind == run::StopKind::execute) {
                    session.hand_over();
                    continue;
                }
                answer(session.report(*event));
                continue;
            }
            bool gone = false;
            input = connection.poll(gone);
            if (gone) return session.connection_lost();
            if (!input) {
                debuggee.wait(fd);
                continue;
            }
        } else {
            input = connection.receive();
            if (!input) return session.connection_lost();
        }
        switch (input->kind) {
            case GdbInput::Kind::ack: break;
            case GdbInput::Kind::resend: connection.send(last_frame); break;
            case GdbInput::Kind::damaged:
                if (session.acks()) connection.send("-");
                break;
            case GdbInput::Kind::interrupt:
                if (session.state() == GdbSession::State::running) debuggee.interrupt();
                break;
            case GdbInput::Kind::packet: {
                // While the guest runs there is nothing to ask; such a packet is no GDB's.
                if (session.state() == GdbSession::State::running) break;
                if (session.acks()) connection.send("+");
                if (const auto text = session.handle(input->payload)) answer(*text);
            }
        }
    }
    session.finish();
}

void* serve_main(void* argument) {
    auto& start = *static_cast<Start*>(argument);
    start.debuggee.separate_descriptors(start.connection);
    run::Debuggee& debuggee = start.debuggee;
    const int fd = start.connection;
    GdbNotes notes = std::move(start.notes);
    sem_post(&start.separated);
    // From here on `start` is gone.
    serve(debuggee, fd, std::move(notes));
    return nullptr;
}

/// Serves `connection`, which is closed here, on a new thread that no signal of the guest's reaches.
bool serve_on_thread(run::Debuggee& debuggee, int connection, GdbNotes notes) {
    Start start{debuggee, connection, std::move(notes), {}};
    sem_init(&start.separated, 0, 0);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    const bool made = pthread_create(&thread, nullptr, serve_main, &start) == 0;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (made) {
        pthread_detach(thread);
        while (sem_wait(&start.separated) != 0) {
        }
    }
    ::close(connection);
    return made;
}

std::string reason() { return std::strerror(errno); }

Result<int> listen_tcp(u16 port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(fd, 1) != 0) {
        auto error = fail("--gdb: cannot listen on port " + std::to_string(port) + ": " + reason(), errno);
        if (fd >= 0) ::close(fd);
        return error;
    }
    return fd;
}

Result<int> listen_unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return fail("--gdb: the socket path " + path + " is longer than " +
                        std::to_string(sizeof address.sun_path - 1) + " bytes",
                    ENAMETOOLONG);
    std::memcpy(address.sun_path, path.data(), path.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(fd, 1) != 0) {
        auto error = fail("--gdb: cannot make the socket " + path + ": " + reason(), errno);
        if (fd >= 0) ::close(fd);
        return error;
    }
    return fd;
}

}  // namespace

Result<std::unique_ptr<GdbServer>> GdbServer::listen(std::string_view where) {
    if (where.empty()) return fail("--gdb: needs a port number or the path of a socket");
    u32 port = 0;
    const auto [end, error] = std::from_chars(where.data(), where.data() + where.size(), port);
    const bool number = end == where.data() + where.size();
    if (number && (error != std::errc() || port < 1 || port > 65535))
        return fail("--gdb: " + std::string(where) + " is no port; ports are 1 to 65535", EINVAL);
    const std::string path = number ? std::string() : with_process_id(where);
    const Result<int> fd = number ? listen_tcp(static_cast<u16>(port)) : listen_unix(path);
    if (!fd) return tl::unexpected(fd.error());
    return std::unique_ptr<GdbServer>(new GdbServer(*fd, path));
}

std::unique_ptr<GdbServer> GdbServer::go_on(std::string_view connection) {
    const std::string_view number = take_until(connection, ',');
    int fd = -1;
    std::from_chars(number.data(), number.data() + number.size(), fd);
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    auto server = std::unique_ptr<GdbServer>(new GdbServer(-1, {}));
    server->connection_ = fd;
    server->notes_ = connection;
    return server;
}

GdbServer::~GdbServer() { stop_listening(); }

void GdbServer::stop_listening() {
    if (listener_ < 0) return;
    ::close(std::exchange(listener_, -1));
    if (!path_.empty()) ::unlink(path_.c_str());
}

Result<void> GdbServer::start(run::Debuggee& debuggee) {
    if (connection_ >= 0) {
        adopt(debuggee, connection_, notes_);
        return {};
    }
    int connection;
    do {
        connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    } while (connection < 0 && errno == EINTR);
    if (connection < 0) return fail("--gdb: no connection: " + reason(), errno);
    stop_listening();
    const int on = 1;
    ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails for Unix sockets
    if (!serve_on_thread(debuggee, connection, {}))
        return fail("--gdb: no thread to serve the debugger", EAGAIN);
    return {};
}

void GdbServer::adopt(run::Debuggee& debuggee, int connection, std::string_view notes) {
    if (!serve_on_thread(debuggee, connection, GdbNotes::read(notes))) debuggee.detach();
}

}  // namespace kiln::debug
