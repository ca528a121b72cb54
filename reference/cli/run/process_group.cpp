#include "reference/cli/run/process_group.h"

#include <cstdio>
#include <cstdlib>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"

namespace ringattn::cli {

namespace {

constexpr int exit_bad_input = 2;

// The first option in which two configurations differ
std::string first_difference(const Json& ours, const Json& theirs) {
  const auto text = [](const Json& value) {
    return value.is_string() ? in_quotes(value.get<std::string>()) : value.dump();
  };
  for (const auto& [name, value] : ours.items())
    if (!theirs.contains(name) || theirs[name] != value)
      return name + " " + text(value) + " on process 0, and " +
             (theirs.contains(name) ? text(theirs[name]) : "none");
  return "more options";
}

// The first error among the reports of all processes; empty: none
std::string find_error(const std::vector<std::string>& reported) {
  const Json first = Json::parse(reported[0]);
  for (std::size_t process = 0; process < reported.size(); ++process) {
    const Json here = Json::parse(reported[process]);
    if (here.contains("wrong"))
      return (here == first ? "" : "[mpi] process " + std::to_string(process) + " cannot start: ") +
             here["wrong"].get<std::string>();
  }
  for (std::size_t process = 1; process < reported.size(); ++process)
    if (const Json here = Json::parse(reported[process]); here != first)
      return "[mpi] all processes must have the same options; found " + first_difference(first, here) +
             " on process " + std::to_string(process) + "; start them with the same command line";
  return {};
}

}  // namespace

// Variables that launchers set: Open MPI, and all that implement PMIx or PMI
bool ProcessGroup::launched_by_mpi() {
  return std::getenv("OMPI_COMM_WORLD_RANK") || std::getenv("PMIX_RANK") || std::getenv("PMI_RANK");
}

int ProcessGroup::run(const std::function<int(ProcessGroup&)>& body) {
  ProcessGroup processes;
  try {
    if (const auto status = processes.run_body(body)) return *status;
  } catch (const RunStopped&) {
    processes.abort_all(processes.first_error());
  } catch (const std::exception& error) {
    processes.abort_all(error.what());
  }
  if (processes.is_root()) throw BadInput(*processes.agreed_error_);
  return 0;
}

std::optional<int> ProcessGroup::run_body(const std::function<int(ProcessGroup&)>& body) {
  try {
    const int status = body(*this);
    mpi_.finish();
    return is_root() ? status : 0;
  } catch (const std::exception& error) {
    if (agreed_error_ && agreed_error_->empty()) throw;
    if (!agreed_error_) exchange_errors({{"wrong", error.what()}});
  }
  mpi_.finish();
  return {};
}

void ProcessGroup::abort_all(const std::string& sentence) {
  mpi_.fail(sentence);
  std::fprintf(stderr, "ringattn, process %d: %s\n", mpi_.rank(), sentence.c_str());
  mpi_.abort(exit_bad_input);
}

std::string ProcessGroup::first_error() {
  try {
    mpi_.monitor().rethrow_first_error();
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

void ProcessGroup::exchange_errors(const Json& reported) {
  const std::vector<std::string> all = mpi_.gather(reported.dump());
  agreed_error_ = mpi_.broadcast(is_root() ? find_error(all) : "");
}

void ProcessGroup::require_same_config(const Json& config) {
  exchange_errors(config);
  if (!agreed_error_->empty()) throw BadInput(*agreed_error_);
}

}  // namespace ringattn::cli
