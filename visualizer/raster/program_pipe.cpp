#include "visualizer/raster/program_pipe.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "reference/files/temporary_file.h"

namespace ringattn::viz {

namespace {

void check(bool done) {
  if (!done) throw std::system_error(errno, std::generic_category());
}

// Opens a temporary file and removes its name
std::FILE* open_nameless_file() {
  const TemporaryFile named = make_temporary_file();
  std::FILE* file = std::fopen(named.path().c_str(), "w+be");
  check(file != nullptr);
  return file;
}

}  // namespace

ProgramPipe::ProgramPipe(const std::vector<std::string>& command)
    : output_(open_nameless_file()), errors_(open_nameless_file()) {
  // Unlike a pipe, a socket can be written without SIGPIPE after the other end was closed
  int ends[2];
  check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  input_ = ends[0];
  try {
    process_.emplace(command, ends[1], fileno(output_.get()), fileno(errors_.get()));
  } catch (...) {
    close(ends[1]);
    close_input();
    throw;
  }
  close(ends[1]);
}

// The member process_ kills the program if it still runs
ProgramPipe::~ProgramPipe() { close_input(); }

bool ProgramPipe::write(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t taken = send(input_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(taken));
  }
  return true;
}

int ProgramPipe::finish() {
  close_input();
  return process_->wait();
}

void ProgramPipe::close_input() {
  if (input_ >= 0) close(input_);
  input_ = -1;
}

void ProgramPipe::copy_output(std::ostream& target) const {
  std::rewind(output_.get());
  std::vector<char> part(1 << 16);
  while (const std::size_t bytes = std::fread(part.data(), 1, part.size(), output_.get()))
    target.write(part.data(), static_cast<std::streamsize>(bytes));
}

std::string ProgramPipe::error_output() const {
  constexpr long longest = 240;
  std::FILE* file = errors_.get();
  std::fseek(file, 0, SEEK_END);
  const long size = std::ftell(file), shown = std::min(size, longest);
  std::fseek(file, size - shown, SEEK_SET);
  std::string text(static_cast<std::size_t>(shown), ' ');
  text.resize(std::fread(text.data(), 1, text.size(), file));

  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return shown < size ? "... " + text : text;
}

}  // namespace ringattn::viz
