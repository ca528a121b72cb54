#include "tests/mpi/mpirun.h"

#include <doctest/doctest.h>

#include <chrono>
#include <sstream>

#include "tests/support/file_fixtures.h"

namespace ringattn {

ProcessResult mpirun(int processes, Arguments options, const Arguments& program) {
  // Allow mpirun as root, for containers; kill processes immediately, because they need no cleanup; disable single-copy
  // transfers, which are forbidden in containers and cause a warning
  for (const char* allowed : {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"})
    setenv(allowed, "1", 1);
  setenv("OMPI_MCA_odls_base_sigkill_timeout", "0", 1);
  setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 1);
  // hwloc looks for GPUs on X displays, and a display of another test that ends would end mpirun
  setenv("HWLOC_COMPONENTS", "-gl", 1);
  options.insert(options.begin(), {"--oversubscribe", "-n", std::to_string(processes)});
  return run_process(RINGATTN_MPIRUN, concatenate(std::move(options), program));
}

Arguments concatenate(Arguments first, const Arguments& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

std::vector<Arguments> edge_case_problems() {
  return {
      {"--seq", "150", "--heads", "4", "--kv-heads", "2", "--dim", "64", "--dtype", "bf16", "--causal",
       "--layout", "zigzag", "--backward"},
      // clang-format off
      {"--seq", "13", "--kv-seq", "29", "--batch", "2", "--heads", "2", "--dim", "5", "--v-dim", "3",
       "--window", "11,2", "--causal-align", "bottom-right", "--layout", "striped", "--rotate", "q",
       "--backward", "--dtype", "f16", "--no-overlap"},
      // clang-format on
      {"--seq", "5", "--heads", "1", "--dim", "4", "--backward"},  // fewer rows than processes
  };
}

long long milliseconds_now() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

long long timestamp_of(const std::string& text, const std::string& what) {
  const std::size_t place = text.find(what);
  if (place == std::string::npos) return -1;
  const std::size_t line = text.rfind('\n', place);
  return std::stoll(text.substr(line == std::string::npos ? 0 : line + 1));
}

void check_abort(const ProcessResult& answer, long long killed, int rank) {
  INFO(answer.out << answer.err);
  CHECK(answer.status != 0);
  REQUIRE(killed >= 0);
  CHECK(milliseconds_now() - killed < 10000);
  CHECK(answer.err.find("process rank " + std::to_string(rank)) != std::string::npos);
}

void check_single_error(const ProcessResult& answer, const std::string& part) {
  INFO(answer.err);
  CHECK(answer.status == 2);
  CHECK(answer.out == "");
  const std::size_t place = answer.err.find("ringattn: ");
  REQUIRE(place != std::string::npos);
  CHECK(answer.err.find("ringattn: ", place + 1) == std::string::npos);
  CHECK(answer.err.substr(place, answer.err.find('\n', place) - place).find(part) != std::string::npos);
}

std::vector<std::string> events_without_wall_times(const std::filesystem::path& path) {
  std::istringstream lines(read_file(path));
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

}  // namespace ringattn
