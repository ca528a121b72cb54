#pragma once

#include <functional>
#include <optional>

#include "reference/files/json.h"
#include "reference/comm/mpi/mpi_communicator.h"

namespace ringattn::cli {

// The processes that do one command together, each started with the same words.
class ProcessGroup {
 public:
  // Lets all of them do the same: _body_. Its status on the first is that of the program; the others return
  // 0, so that nobody ends the first before it has had its say. What a process throws ends all with one
  // sentence: before they have agreed, the first throws BadInput; later each says who was lost or has failed.
  static int run(const std::function<int(ProcessGroup&)>& body);

  // Whether a launcher of MPI has started this process
  static bool launched_by_mpi();

  MpiCommunicator& mpi() { return mpi_; }
  bool is_root() const { return mpi_.rank() == 0; }

  // Each says what it is about to do; throws BadInput unless all say the same
  void require_same_config(const Json& config);

 private:
  // Nothing where they could not begin
  std::optional<int> run_body(const std::function<int(ProcessGroup&)>& body);
  [[noreturn]] void abort_all(const std::string& sentence);
  std::string first_error();

  // All learn what is wrong with what each of them said, if anything is
  void exchange_errors(const Json& reported);

  MpiCommunicator mpi_;
  std::optional<std::string> agreed_error_;  // empty: they may begin
};

}  // namespace ringattn::cli
