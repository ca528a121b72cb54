#include "reference/cli/processes.h"

#include <cstdio>
#include <cstdlib>

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

// As launchers tell those that they start: that of Open MPI, and all that speak PMIx or PMI
bool Processes::launched() {
  return std::getenv("OMPI_COMM_WORLD_RANK") || std::getenv("PMIX_RANK") || std::getenv("PMI_RANK");
}

int Processes::run(const std::function<int(Processes&)>& body) {
  Processes processes;
  try {
    if (const auto status = processes.do_together(body)) return *status;
  } catch (const RunStopped&) {
    processes.end_all(processes.first_error());
  } catch (const std::exception& error) {
    processes.end_all(error.what());
  }
  if (processes.first()) throw BadInput(*processes.verdict_);
  return 0;
}

std::optional<int> Processes::do_together(const std::function<int(Processes&)>& body) {
  try {
    const int status = body(*this);
    post_.finish();
    return first() ? status : 0;
  } catch (const std::exception& error) {
    if (verdict_ && verdict_->empty()) throw;
    if (!verdict_) settle({{"wrong", error.what()}});
  }
  post_.finish();
  return {};
}

void Processes::end_all(const std::string& sentence) {
  post_.fail(sentence);
  std::fprintf(stderr, "ringattn, process %d: %s\n", post_.rank(), sentence.c_str());
  post_.abandon(bad_input);
}

std::string Processes::first_error() {
  try {
    post_.room().rethrow_first_error();
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
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
