// Tests of the ring of processes with one GPU each, on emulated devices, started as a user starts it:
// mpirun -n P ringattn run --backend gpu --transport nccl.

#include <doctest/doctest.h>

#include <cstdlib>
#include <optional>

#include "reference/files/trace_file.h"
#include "reference/trace/check/checker.h"
#include "tests/mpi/mpirun.h"
#include "tests/support/file_fixtures.h"

using namespace ringattn;

namespace {

// Sets an environment variable, and restores it at the end of the scope.
struct ScopedVariable {
  ScopedVariable(const char* name, const std::string& value) : name_(name) {
    if (const char* const before = std::getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ~ScopedVariable() { before_ ? setenv(name_, before_->c_str(), 1) : unsetenv(name_); }
  ScopedVariable(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

// An emulated machine with _gpus_ GPUs, and a directory for the files of NCCL.
struct Machine {
  explicit Machine(int gpus)
      : gpus_("EMULATED_DEVICES", std::to_string(gpus)), directory_variable_("TMPDIR", directory_.path) {}

  // Whether the emulated NCCL has left files in the directory
  bool has_nccl_files() const {
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path))
      if (entry.path().filename().string().rfind("emulated-nccl", 0) == 0) return true;
    return false;
  }

 private:
  TemporaryDirectory directory_;
  ScopedVariable gpus_, directory_variable_;
};

Arguments run_on_gpus(const Arguments& more) {
  return concatenate({RINGATTN_EMULATED, "run", "--backend", "gpu"}, more);
}

const Arguments small = {"--transport", "nccl", "--seq", "7", "--heads", "1", "--dim", "4", "--backward"};

}  // namespace

TEST_CASE("processes with one GPU each give the same bits and the same events as virtual devices") {
  const Machine machine(8);
  const TemporaryDirectory directory;
  const std::string mine = directory.path / "nccl", theirs = directory.path / "virtual";
  std::vector<Arguments> problems = edge_case_problems();
  problems.push_back({"--seq", "33", "--heads", "2", "--dim", "64", "--dtype", "f16", "--rotate", "q"});
  for (const Arguments& problem : problems)
    for (const int processes : {1, 2, 3, 8}) {
      CAPTURE(processes);
      const auto files = [](const std::string& name) {
        return Arguments{"--output", name + ".out", "--trace", name + ".jsonl"};
      };
      const ProcessResult answer =
          mpirun(processes, {},
                 run_on_gpus(concatenate(concatenate(problem, {"--transport", "nccl"}), files(mine))));
      CHECK(is_exact(answer));
      const ProcessResult expected = run_process(
          RINGATTN_EMULATED, concatenate({"run", "--backend", "gpu", "--devices", std::to_string(processes)},
                                         concatenate(problem, files(theirs))));
      REQUIRE(is_exact(expected));
      const bool same_bits = read_file(mine + ".out") == read_file(theirs + ".out");
      CHECK(same_bits);
      CHECK(events_without_wall_times(mine + ".jsonl") == events_without_wall_times(theirs + ".jsonl"));
      CHECK_FALSE(events_without_wall_times(mine + ".jsonl").empty());
      const TraceFile trace = read_trace(mine + ".jsonl");
      const std::vector<std::string> broken = broken_invariants(trace.header, trace.events);
      CHECK((broken.empty() ? "" : broken.front()) == "");
    }
  CHECK_FALSE(machine.has_nccl_files());
}

TEST_CASE("the report of processes contains the transfer time and the hiding condition") {
  const Machine machine(3);
  const ProcessResult answer = mpirun(3, {}, run_on_gpus(concatenate(small, {"--json", "-"})));
  REQUIRE(answer.status == 0);
  const Json report = answer.json(), overlap = report["overlap"], condition = overlap["condition"];
  CHECK(report["processes"] == 3);
  CHECK(condition["link_seconds"].get<double>() ==
        doctest::Approx(overlap["transfer_seconds"].get<double>() / 3));
  CHECK(condition["queries"].get<double>() == doctest::Approx(7.0 / 3));
}

TEST_CASE("processes on one machine need one GPU each, and another NCCL_HOSTID means another machine") {
  const Machine machine(1);
  check_single_error(mpirun(2, {}, run_on_gpus(small)), "2 processes and 1 CUDA device on one machine");
  const ScopedVariable elsewhere("NCCL_HOSTID", "elsewhere");
  CHECK(is_exact(mpirun(2, {}, run_on_gpus(small))));
}

TEST_CASE("if processes with one GPU each have different options, exactly one error is written") {
  const Machine machine(4);
  check_single_error(mpirun(3, {}, run_on_gpus(concatenate(small, {"--devices", "4"}))),
                     "4 devices and 3 processes");
  const Arguments other = concatenate(
      run_on_gpus(small), concatenate({":", "-n", "1"}, run_on_gpus(concatenate(small, {"--seed", "1"}))));
  check_single_error(mpirun(1, {}, other), "\"0\" on process 0, and \"1\" on process 1");
}

TEST_CASE("if a process with a GPU is killed at any message, all others end and its rank is reported") {
  const Machine machine(3);
  for (const int processes : {2, 3})
    for (int rank = 0; rank < processes; ++rank)
      for (int message = -1; message < 3 * processes - 2; ++message) {  // -1: while NCCL starts
        CAPTURE(processes);
        CAPTURE(message);
        const ScopedVariable fault("EMULATED_NCCL_FAULT",
                                   "kills:" + std::to_string(rank) + ":" + std::to_string(message));
        const ProcessResult answer = mpirun(processes, {}, run_on_gpus(small));
        const std::string name = std::to_string(rank);
        check_abort(answer, timestamp_of(answer.err, "rank " + name + " with GPU " + name + " kills itself"),
                    rank);
      }
}

TEST_CASE("if mpirun does not end the other processes, each process with a GPU detects the lost one") {
  const Machine machine(3);
  for (const char* when : {"kills:1:-1", "kills:1:2"}) {
    const ScopedVariable fault("EMULATED_NCCL_FAULT", when);
    const ProcessResult answer = mpirun(3, {"--enable-recovery"}, run_on_gpus(small));
    INFO(answer.err);
    const long long killed = timestamp_of(answer.err, "kills itself");
    REQUIRE(killed >= 0);
    CHECK(milliseconds_now() - killed < 10000);
    for (const char* other : {"process 0", "process 2"})
      CHECK(answer.err.find(other + std::string(": [mpi] process 1 was lost")) != std::string::npos);
  }
}

TEST_CASE("if NCCL fails, the process reports the cause and all others report its rank") {
  const Machine machine(3);
  const ScopedVariable fault("EMULATED_NCCL_FAULT", "fails:1:2");
  const ProcessResult answer = mpirun(3, {}, run_on_gpus(small));
  INFO(answer.err);
  CHECK(answer.status == 2);
  CHECK(answer.err.find("process 1: [nccl] a message failed: remote process exited") != std::string::npos);
  for (const char* other : {"process 0", "process 2"})
    CHECK(answer.err.find(other + std::string(": [mpi] process 1 failed: [nccl]")) != std::string::npos);
}
