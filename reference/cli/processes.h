#pragma once

#include <functional>
#include <optional>

#include "reference/files/json.h"
#include "reference/transport/mpi/post.h"

namespace ringattn::cli {

// The processes that do one command together, each started with the same words.
class Processes {
 public:
  // Lets all of them do the same: _body_. Its status on the first is that of the program; the others return
  // 0, so that nobody ends the first before it has had its say. What a process throws ends all with one
  // sentence: before they have agreed, the first throws BadInput; later each says who was lost or has failed.
  static int run(const std::function<int(Processes&)>& body);

  // Whether a launcher of MPI has started this process
  static bool launched();

  Post& post() { return post_; }
  bool first() const { return post_.rank() == 0; }

  // Each says what it is about to do; throws BadInput unless all say the same
  void agree_on(const Json& what);

 private:
  // Nothing where they could not begin
  std::optional<int> do_together(const std::function<int(Processes&)>& body);
  [[noreturn]] void end_all(const std::string& sentence);
  std::string first_error();

  // All learn what is wrong with what each of them said, if anything is
  void settle(const Json& said);

  Post post_;
  std::optional<std::string> verdict_;  // empty: they may begin
};

}  // namespace ringattn::cli
