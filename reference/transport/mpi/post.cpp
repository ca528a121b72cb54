#include "reference/transport/mpi/post.h"

#include "reference/transport/mpi/office.h"

namespace ringattn {

namespace {

// Takes one text
class TextBox : public Mailbox {
 public:
  TextBox(Post& post, int from) : post_(post) { post_.expect(from, Topic::text, *this); }
  ~TextBox() override { post_.forget(*this); }

  Room room_for(std::span<const std::int64_t> head) override {
    text_ = std::make_shared<std::string>(static_cast<std::size_t>(head[0]), ' ');
    return {{std::as_writable_bytes(std::span(*text_))}, text_};
  }
  void arrived() override {
    const auto lock = post_.room().lock();
    arrived_ = true;
    post_.room().wake_from_outside(lock, post_.rank());
  }

  std::string wait() {
    auto lock = post_.room().lock();
    post_.room().wait_for_outside(lock, post_.rank(), [&] { return arrived_; });
    return std::move(*text_);
  }

 private:
  Post& post_;
  std::shared_ptr<std::string> text_;
  bool arrived_ = false;
};

void send_text(Post& post, int to, std::string text) {
  const auto kept = std::make_shared<const std::string>(std::move(text));
  post.send(to, Topic::text,
            {{static_cast<std::int64_t>(kept->size())}, {std::as_bytes(std::span(*kept))}, kept});
}

}  // namespace

Post::Post(std::chrono::milliseconds patience) : office_(std::make_unique<Office>(patience)) {}

Post::~Post() {
  if (!office_->finished()) abandon(2);
}

int Post::rank() const { return office_->rank; }
int Post::ranks() const { return office_->ranks; }
int Post::rank_on_machine() const { return office_->rank_on_machine; }
int Post::ranks_on_machine() const { return office_->ranks_on_machine; }
WaitingRoom& Post::room() { return *office_->room; }

void Post::send(int to, Topic topic, Letter letter) { office_->send(to, topic, std::move(letter)); }
void Post::expect(int from, Topic topic, Mailbox& mailbox) { office_->expect(from, topic, mailbox); }
void Post::forget(const Mailbox& mailbox) { office_->forget(mailbox); }
void Post::fail(const std::string& sentence) {
  office_->fail("[mpi] process " + std::to_string(rank()) + " failed: " + sentence);
}

std::vector<std::string> Post::gather(std::string text) {
  if (rank() > 0) {
    send_text(*this, 0, std::move(text));
    return {};
  }
  std::vector<std::string> texts{std::move(text)};
  for (int from = 1; from < ranks(); ++from) texts.push_back(TextBox(*this, from).wait());
  return texts;
}

std::string Post::from_first(std::string text) {
  if (rank() > 0) return TextBox(*this, 0).wait();
  for (int to = 1; to < ranks(); ++to) send_text(*this, to, text);
  return text;
}

void Post::finish() {
  office_->finish();
  auto lock = room().lock();
  room().wait_for_outside(lock, rank(), [&] { return office_->finished(); });
}

void Post::abandon(int status) {
  office_->abandon(status);
  std::this_thread::sleep_for(std::chrono::seconds(5));
  std::_Exit(status);  // should MPI not have ended it
}

std::int64_t Post::common_time(WallClock::time_point moment) const {
  return nanoseconds(moment - office_->began);
}

WallClock::time_point Post::local_time(std::int64_t common) const {
  return office_->began + std::chrono::nanoseconds(common);
}

}  // namespace ringattn
