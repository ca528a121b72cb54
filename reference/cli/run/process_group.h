#pragma once

#include <functional>
#include <optional>

#include "reference/comm/mpi/mpi_communicator.h"
#include "reference/files/json.h"

namespace ringattn::cli {

// The processes that run one command together. All are started with the same command line. Before the ring starts
// they exchange their configurations, so that a bad input on one of them ends all with one line of error:
//
//   run(body) --> body on each process --> require_same_config(config) --> the ring --> finish
//                   |  throws before it: reported once, by process 0; status 2
//                   |  throws after it:  every process reports which process failed, and aborts
class ProcessGroup {
 public:
  // Runs _body_ on every process. Returns its status on process 0, and 0 on the others, so that the launcher does not
  // end process 0 before it has reported.
  static int run(const std::function<int(ProcessGroup&)>& body);

  // Whether an MPI launcher started this process
  static bool launched_by_mpi();

  MpiCommunicator& mpi() { return mpi_; }
  bool is_root() const { return mpi_.rank() == 0; }

  // Throws BadInput unless the configurations of all processes are equal
  void require_same_config(const Json& config);

 private:
  // Empty if the configurations do not agree
  std::optional<int> run_body(const std::function<int(ProcessGroup&)>& body);
  [[noreturn]] void abort_all(const std::string& sentence);
  std::string first_error();

  // Sets agreed_error_ on all processes to the first error among the reports
  void exchange_errors(const Json& reported);

  MpiCommunicator mpi_;
  std::optional<std::string> agreed_error_;  // none: not agreed yet; empty: no error
};

}  // namespace ringattn::cli
