// The ring between processes, as its users start it: mpirun -n P ringattn run --transport mpi.

#include <doctest/doctest.h>

#include <chrono>
#include <sstream>

#include "tests/command_line/command_line.h"
#include "tests/file_fixtures.h"

using namespace ringattn;

namespace {

// Runs so many processes, with words for mpirun of which one tells it that they share two cores
Answer mpirun(int processes, std::vector<std::string> words, const std::vector<std::string>& program) {
  for (const char* allowed : {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"})
    setenv(allowed, "1", 1);
  setenv("OMPI_MCA_odls_base_sigkill_timeout", "0", 1);  // who is told to end has nothing to clean up
  setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none",
         1);  // which containers forbid, not without noise
  words.insert(words.begin(), {"--oversubscribe", "-n", std::to_string(processes)});
  words.insert(words.end(), program.begin(), program.end());
  return call_program(RINGATTN_MPIRUN, words);
}

std::vector<std::string> run_with(const std::vector<std::string>& more) {
  std::vector<std::string> words = {RINGATTN_EXECUTABLE, "run"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::vector<std::string> joined(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// The events of a trace file, without the times of clocks
std::vector<std::string> virtual_events(const std::filesystem::path& path) {
  std::istringstream lines(content(path));
  std::vector<std::string> events;
  std::string line;
  std::getline(lines, line);  // the header, which names the transport
  while (std::getline(lines, line)) {
    Json event = Json::parse(line);
    for (const char* clock : {"w", "transfer_w", "exposed_w"}) event.erase(clock);
    events.push_back(event.dump());
  }
  return events;
}

}  // namespace

TEST_CASE("processes give the bits and the events that threads give") {
  const Directory directory;
  const std::string mine = directory.path / "mpi", theirs = directory.path / "threads";
  const std::vector<std::vector<std::string>> problems = {
      {"--seq", "50", "--heads", "4", "--kv-heads", "2", "--dim", "9", "--causal", "--layout", "zigzag",
       "--backward"},
      {"--seq",
       "13",
       "--kv-seq",
       "29",
       "--batch",
       "2",
       "--heads",
       "2",
       "--dim",
       "5",
       "--v-dim",
       "3",
       "--window",
       "11,2",
       "--causal-align",
       "bottom-right",
       "--layout",
       "striped",
       "--rotate",
       "q",
       "--backward",
       "--dtype",
       "f64",
       "--no-overlap"},
      {"--seq", "5", "--heads", "1", "--dim", "4", "--dtype", "bf16"},  // fewer rows than processes
  };
  for (const auto& problem : problems)
    for (const int processes : {1, 2, 3, 8}) {
      CAPTURE(processes);
      const auto files = [](const std::string& name) {
        return std::vector<std::string>{"--output",     name + ".out", "--trace", name + ".jsonl",
                                        "--trace-rows", "all",         "--steps", name + ".steps"};
      };
      const Answer answer =
          mpirun(processes, {}, run_with(joined(joined(problem, {"--transport", "mpi"}), files(mine))));
      CHECK(is_exact(answer));
      const Answer expected =
          call(joined(joined({"run", "--devices", std::to_string(processes)}, problem), files(theirs)));
      REQUIRE(is_exact(expected));
      const bool same_bits = content(mine + ".out") == content(theirs + ".out"),
                 same_steps = content(mine + ".steps") == content(theirs + ".steps");
      CHECK(same_bits);
      CHECK(same_steps);
      CHECK(virtual_events(mine + ".jsonl") == virtual_events(theirs + ".jsonl"));
    }
}

TEST_CASE("a slowed link between processes is as late as it says") {
  const Answer answer = mpirun(
      2, {}, run_with({"--transport", "mpi", "--seq", "64", "--link-latency-us", "20000", "--json", "-"}));
  REQUIRE(answer.status == 0);
  CHECK(answer.json()["overlap"]["transfer_seconds"].get<double>() >= 2 * 0.02);
}

TEST_CASE("what is wrong with a ring of processes is said once, whoever finds it") {
  const auto refused = [](const Answer& answer, const std::string& part) {
    INFO(answer.err);
    CHECK(answer.status == 2);
    CHECK(answer.out == "");
    const std::size_t place = answer.err.find("ringattn: ");
    REQUIRE(place != std::string::npos);
    CHECK(answer.err.find("ringattn: ", place + 1) == std::string::npos);
    CHECK(answer.err.substr(place, answer.err.find('\n', place) - place).find(part) != std::string::npos);
  };
  refused(mpirun(3, {}, run_with({"--transport", "mpi", "--devices", "4"})), "4 devices and 3 processes");
  refused(mpirun(2, {}, run_with({"--transport", "mpi", "--input", "/no/such/file"})), "/no/such/file");
  refused(mpirun(2, {}, run_with({"--transport", "mpi", "--threads", "2"})), "mpi has a process a device");
  const std::vector<std::string> with_another_length =
      joined(joined(run_with({"--transport", "mpi", "--seq", "100"}), {":", "-n", "2"}),
             run_with({"--transport", "mpi", "--seq", "101"}));
  refused(mpirun(1, {}, with_another_length), "\"100\" on process 0, and \"101\" on process 1");
}

namespace {

// The moment, in milliseconds, at which a line of the killed or another process was said; -1: none was
long long moment_of(const std::string& out, const std::string& what) {
  const std::size_t place = out.find(what);
  if (place == std::string::npos) return -1;
  const std::size_t line = out.rfind('\n', place);
  return std::stoll(out.substr(line == std::string::npos ? 0 : line + 1));
}

std::vector<std::string> killed_process(int rank, int pass, int step, int patience_ms) {
  return {RINGATTN_KILLED_PROCESS, std::to_string(rank), std::to_string(pass), std::to_string(step),
          std::to_string(patience_ms)};
}

long long now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

namespace {

void check_death(int processes, int rank, int pass, int step) {
  CAPTURE(processes);
  CAPTURE(rank);
  CAPTURE(pass);
  CAPTURE(step);
  const Answer answer = mpirun(processes, {}, killed_process(rank, pass, step, 5000));
  INFO(answer.out << answer.err);
  CHECK(answer.status != 0);
  const long long killed = moment_of(answer.out, "killed");
  REQUIRE(killed >= 0);
  CHECK(now_ms() - killed < 10000);
  CHECK(answer.out.find("finished") == std::string::npos);
  CHECK(answer.err.find("process rank " + std::to_string(rank)) != std::string::npos);
}

}  // namespace

TEST_CASE("whichever process is killed at whichever step, all others end and its name is said") {
  for (const int processes : {2, 3})
    for (int rank = 0; rank < processes; ++rank)
      for (const int pass : {0, 1})
        for (int step = 0; step < processes - 1; ++step) check_death(processes, rank, pass, step);
}

TEST_CASE("the same for each of eight processes") {
  for (int rank = 0; rank < 8; ++rank)
    for (int step = 0; step < 7; ++step) check_death(8, rank, 0, step);
}

TEST_CASE("where nobody else cleans up, the processes find out themselves who was lost") {
  for (const int processes : {2, 3, 8})
    for (const int rank : {0, processes - 1}) {
      const Answer answer = mpirun(processes, {"--enable-recovery"}, killed_process(rank, 0, 0, 1000));
      INFO(answer.out << answer.err);
      const long long killed = moment_of(answer.out, "killed");
      REQUIRE(killed >= 0);
      CHECK(now_ms() - killed < 10000);
      for (int other = 0; other < processes; ++other)
        if (other != rank)
          CHECK(answer.out.find("process " + std::to_string(other) + ": [mpi] process " +
                                std::to_string(rank) + " was lost") != std::string::npos);
    }
}
