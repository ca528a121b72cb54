// Tests of the ring of processes, started as a user starts it: mpirun -n P ringattn run --transport mpi.

#include <doctest/doctest.h>

#include "tests/mpi/mpirun.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

Arguments run_with(const Arguments& more) { return concatenate({RINGATTN_EXECUTABLE, "run"}, more); }

}  // namespace

TEST_CASE("processes give the same bits and the same events as threads") {
  const TemporaryDirectory directory;
  const std::string mine = directory.path / "mpi", theirs = directory.path / "threads";
  std::vector<Arguments> problems = edge_case_problems();
  problems.push_back({"--seq", "21", "--heads", "1", "--dim", "3", "--dtype", "f64", "--backward"});
  problems.push_back({"--seq", "19", "--heads", "3", "--dim", "4", "--sinks", "--rotate", "q", "--backward"});
  for (const auto& problem : problems)
    for (const int processes : {1, 2, 3, 8}) {
      CAPTURE(processes);
      const auto files = [](const std::string& name) {
        return Arguments{"--output",     name + ".out", "--trace", name + ".jsonl",
                         "--trace-rows", "all",         "--steps", name + ".steps"};
      };
      const ProcessResult answer = mpirun(
          processes, {}, run_with(concatenate(concatenate(problem, {"--transport", "mpi"}), files(mine))));
      CHECK(is_exact(answer));
      const ProcessResult expected = run_ringattn(
          concatenate(concatenate({"run", "--devices", std::to_string(processes)}, problem), files(theirs)));
      REQUIRE(is_exact(expected));
      const bool same_bits = read_file(mine + ".out") == read_file(theirs + ".out"),
                 same_steps = read_file(mine + ".steps") == read_file(theirs + ".steps");
      CHECK(same_bits);
      CHECK(same_steps);
      CHECK(events_without_wall_times(mine + ".jsonl") == events_without_wall_times(theirs + ".jsonl"));
    }
}

TEST_CASE("processes give the same bits and events as threads with every strategy") {
  const TemporaryDirectory directory;
  const std::string mine = directory.path / "mpi", theirs = directory.path / "threads";
  const Arguments problem{"--seq",        "23",
                          "--kv-seq",     "31",
                          "--heads",      "8",
                          "--kv-heads",   "2",
                          "--dim",        "3",
                          "--v-dim",      "5",
                          "--causal",     "--causal-align",
                          "bottom-right", "--dtype",
                          "f64",          "--layout",
                          "zigzag"};
  const std::vector<Arguments> strategies{{"all-gather", "--backward"},
                                          {"bidirectional", "--backward"},
                                          {"double-ring", "--group", "2", "--backward"},
                                          {"ulysses", "--backward"},
                                          {"usp", "--group", "2", "--backward"},
                                          {"tree"}};
  for (const Arguments& strategy : strategies) {
    CAPTURE(strategy.front());
    const Arguments options = concatenate(concatenate(problem, {"--strategy"}), strategy);
    const auto files = [](const std::string& name) {
      return Arguments{"--output", name + ".out", "--trace", name + ".jsonl"};
    };
    CHECK(is_exact(
        mpirun(4, {}, run_with(concatenate(concatenate(options, {"--transport", "mpi"}), files(mine))))));
    REQUIRE(
        is_exact(run_ringattn(concatenate(concatenate({"run", "--devices", "4"}, options), files(theirs)))));
    const bool same_bits = read_file(mine + ".out") == read_file(theirs + ".out");
    CHECK(same_bits);
    CHECK(events_without_wall_times(mine + ".jsonl") == events_without_wall_times(theirs + ".jsonl"));
  }
}

TEST_CASE("a link between processes can be slowed down") {
  const ProcessResult answer = mpirun(
      2, {}, run_with({"--transport", "mpi", "--seq", "64", "--link-latency-us", "20000", "--json", "-"}));
  REQUIRE(answer.status == 0);
  CHECK(answer.json()["overlap"]["transfer_seconds"].get<double>() >= 2 * 0.02);
}

TEST_CASE("an error in a ring of processes is reported exactly once") {
  check_single_error(mpirun(3, {}, run_with({"--transport", "mpi", "--devices", "4"})),
                     "4 devices and 3 processes");
  check_single_error(mpirun(2, {}, run_with({"--transport", "mpi", "--input", "/no/such/file"})),
                     "/no/such/file");
  check_single_error(mpirun(2, {}, run_with({"--transport", "mpi", "--threads", "2"})),
                     "mpi runs one process per device");
  const Arguments with_another_length =
      concatenate(concatenate(run_with({"--transport", "mpi", "--seq", "100"}), {":", "-n", "2"}),
                  run_with({"--transport", "mpi", "--seq", "101"}));
  check_single_error(mpirun(1, {}, with_another_length), "\"100\" on process 0, and \"101\" on process 1");
}

namespace {

Arguments killed_process(int rank, int pass, int step, int timeout_ms) {
  return {RINGATTN_KILLED_PROCESS, std::to_string(rank), std::to_string(pass), std::to_string(step),
          std::to_string(timeout_ms)};
}

void check_killed_process(int processes, int rank, int pass, int step) {
  CAPTURE(processes);
  CAPTURE(rank);
  CAPTURE(pass);
  CAPTURE(step);
  const ProcessResult answer = mpirun(processes, {}, killed_process(rank, pass, step, 5000));
  check_abort(answer, timestamp_of(answer.out, "killed"), rank);
  CHECK(answer.out.find("finished") == std::string::npos);
}

// Kills _kills_ different processes at each step, one per run. The last step of the forward sends nothing
void check_killed_processes(int processes, int kills) {
  for (const int pass : {0, 1})
    for (int step = 0; step < processes - 1 + pass; ++step)
      for (int n = 0; n < kills; ++n)
        check_killed_process(processes, (3 * step + pass + n) % processes, pass, step);
}

}  // namespace

TEST_CASE("if a process is killed at any step, all others end and its rank is reported") {
  for (const int processes : {2, 3}) check_killed_processes(processes, processes);
}

TEST_CASE("if one of eight processes is killed, all others end and its rank is reported") {
  check_killed_processes(8, std::min(trials(1), 8));
}

TEST_CASE("if mpirun does not end the other processes, each of them detects the process that was lost") {
  for (const int processes : {2, 3, 8})
    for (const int rank : {0, processes - 1}) {
      const ProcessResult answer = mpirun(processes, {"--enable-recovery"}, killed_process(rank, 0, 0, 1000));
      INFO(answer.out << answer.err);
      const long long killed = timestamp_of(answer.out, "killed");
      REQUIRE(killed >= 0);
      CHECK(milliseconds_now() - killed < 10000);
      for (int other = 0; other < processes; ++other)
        if (other != rank)
          CHECK(answer.out.find("process " + std::to_string(other) + ": [mpi] process " +
                                std::to_string(rank) + " was lost") != std::string::npos);
    }
}

TEST_CASE("if a process never joins, the others end with one sentence") {
  const Arguments never_joins = {":", "-n", "1", "sleep", "100"};
  const ProcessResult answer = mpirun(1, {}, concatenate(killed_process(-1, 0, 0, 1000), never_joins));
  INFO(answer.out << answer.err);
  CHECK(answer.status == 2);
  CHECK(answer.err.find("ringattn: [mpi] all processes must start within 3 s") != std::string::npos);
}

TEST_CASE("if a process fails, it reports the cause and all others report its rank") {
  Arguments failing = killed_process(1, 1, 0, 5000);
  failing.push_back("fails");
  const ProcessResult answer = mpirun(3, {}, failing);
  INFO(answer.out << answer.err);
  CHECK(answer.status == 2);
  CHECK(answer.out.find("process 1: its disk is full") != std::string::npos);
  for (const char* other : {"process 0", "process 2"})
    CHECK(answer.out.find(other + std::string(": [mpi] process 1 failed: its disk is full")) !=
          std::string::npos);
}
