// Serves one GDB for one guest: listens on a loopback TCP port or a Unix socket, and talks from a host thread
// of its own with whoever connects first.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "run/debuggee.h"

namespace kiln::debug {

class GdbServer final : public run::Debugger {
  public:
    /// `where`: a port number from 1 to 65535, or else the path of a socket to be made, "%d" in it standing
    /// for the process id. Fails with one line when it cannot listen there.
    static Result<std::unique_ptr<GdbServer>> listen(std::string_view where);
    /// Goes on with the debugger of the program that this one has replaced: what that handed over (`connection`), the
    /// descriptor and the session's notes.
    static std::unique_ptr<GdbServer> go_on(std::string_view connection);
    ~GdbServer() override;

    Result<void> start(run::Debuggee& debuggee) override;
    void adopt(run::Debuggee& debuggee, int connection, std::string_view notes) override;

  private:
    GdbServer(int listener, std::string path) : listener_(listener), path_(std::move(path)) {}
    void stop_listening();

    int listener_;
    std::string path_;     // of the socket; empty: TCP
    int connection_ = -1;  // of go_on()
    std::string notes_;
};

}  // namespace kiln::debug
