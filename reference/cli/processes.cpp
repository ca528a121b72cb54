#include "reference/cli/processes.h"

#include <cstdio>

#include "reference/definition/bad_input.h"

namespace ringattn::cli {

namespace {

constexpr int bad_input = 2;

// The first thing of which two say something else
std::string difference(const Json& ours, const Json& theirs) {
  for (const auto& [name, value] : ours.items())
    if (!theirs.contains(name) || theirs[name] != value)
      return name + " " + value.dump() + " on process 0, and " +
             (theirs.contains(name) ? theirs[name].dump() : "none");
  return "more options";
}

// Of what each process said: what is wrong, if anything is
std::string verdict(const std::vector<std::string>& said) {
  const Json first = Json::parse(said[0]);
  for (std::size_t process = 0; process < said.size(); ++process) {
    const Json here = Json::parse(said[process]);
    if (here.contains("wrong"))
      return (here == first ? "" : "[mpi] process " + std::to_string(process) + " cannot begin: ") +
             here["wrong"].get<std::string>();
  }
  for (std::size_t process = 1; process < said.size(); ++process)
    if (const Json here = Json::parse(said[process]); here != first)
      return "[mpi] all processes must do the same; found " + difference(first, here) + " on process " +
             std::to_string(process) + "; start them with the same words";
  return {};
}

}  // namespace

int Processes::run(const std::function<int(Processes&)>& body) {
  Processes processes;
  Post& post = processes.post_;
  try {
    try {
      const int status = body(processes);
      post.finish();
      return processes.first() ? status : 0;
    } catch (const RunStopped&) {
      post.room().rethrow_first_error();
      throw;
    }
  } catch (const std::exception& error) {
    if (!processes.verdict_) processes.settle({{"wrong", error.what()}});
    if (!processes.verdict_->empty()) {
      post.finish();
      if (processes.first()) throw BadInput(*processes.verdict_);
      return 0;
    }
    post.fail(error.what());
    std::fprintf(stderr, "ringattn, process %d: %s\n", post.rank(), error.what());
    post.abandon(bad_input);
  }
}

void Processes::settle(const Json& said) {
  const std::vector<std::string> all = post_.gather(said.dump());
  verdict_ = post_.from_first(first() ? verdict(all) : "");
}

void Processes::agree_on(const Json& what) {
  settle(what);
  if (!verdict_->empty()) throw BadInput(*verdict_);
}

}  // namespace ringattn::cli
