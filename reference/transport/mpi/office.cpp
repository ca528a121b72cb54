#include "reference/transport/mpi/office.h"

#include <algorithm>
#include <cstdlib>

#include "reference/ring/schedule.h"

namespace ringattn {

namespace {

// The tags of letters: their heads and pieces, what neighbours say to show that they live, and failures
int tag_of_head(Topic topic) { return 2 * static_cast<int>(topic); }
int tag_of_pieces(Topic topic) { return 2 * static_cast<int>(topic) + 1; }
constexpr int alive = 100, failure = 101, time_asked = 102;

constexpr std::size_t most_bytes = std::size_t{1} << 30;  // at once: MPI counts in int
constexpr std::chrono::microseconds pause(100);           // between looks, when nothing happens

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw std::runtime_error("[mpi] " + std::string(call) + " must succeed; it failed: " +
                           std::string(text, static_cast<std::size_t>(length)));
}
#define CHECK_MPI(call, ...) check(call(__VA_ARGS__), #call)

bool all_done(std::vector<MPI_Request>& requests) {
  int done = 0;
  CHECK_MPI(MPI_Testall, static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE);
  return done != 0;
}

// Whether a message is there that nobody has received yet
bool waits(int from, int tag, MPI_Status& status) {
  int there = 0;
  CHECK_MPI(MPI_Iprobe, from, tag, MPI_COMM_WORLD, &there, &status);
  return there != 0;
}

// Calls f(first byte, bytes) for the parts of a piece of memory that MPI can send at once
template <class Byte, class F>
void for_parts(std::span<Byte> piece, F f) {
  for (std::size_t begin = 0; begin < piece.size(); begin += most_bytes)
    f(piece.data() + begin, static_cast<int>(std::min(most_bytes, piece.size() - begin)));
}

}  // namespace

// ---- For the others --------------------------------------------------------------

Post::Office::Office(std::chrono::milliseconds patience) : patience_(patience), thread_([this] { work(); }) {
  while (state_ == State::beginning) std::this_thread::sleep_for(pause);
}

Post::Office::~Office() { thread_.join(); }

void Post::Office::send(int to, Topic topic, Letter letter) {
  const std::lock_guard<std::mutex> lock(mutex_);
  queued_.push_back({to, topic, std::move(letter), {}});
}

void Post::Office::expect(int from, Topic topic, Mailbox& mailbox) {
  const std::lock_guard<std::mutex> lock(mutex_);
  expected_.push_back({from, topic, &mailbox, {}, {}});
}

void Post::Office::forget(const Mailbox& mailbox) {
  const std::lock_guard<std::mutex> lock(mutex_);
  expected_.remove_if([&](const Receiving& one) { return one.mailbox == &mailbox; });
  for (Receiving& one : receiving_)
    if (one.mailbox == &mailbox) one.mailbox = nullptr;
}

void Post::Office::fail(const std::string& sentence) {
  if (failed_) return;  // all know of the first failure, and one sentence is enough
  const std::lock_guard<std::mutex> lock(mutex_);
  to_be_told_.push_back(sentence);
}

void Post::Office::finish() { state_ = State::finishing; }

void Post::Office::abandon(int status) {
  end_at_ = WallClock::now() + std::chrono::seconds(1);  // others are to hear of it and have their say
  abandoned_ = status;
}

// ---- The thread ---------------------------------------------------------------------

void Post::Office::work() {
  try {
    begin();
    state_ = State::working;
    while (state_ != State::finished) turn();
    CHECK_MPI(MPI_Finalize);
  } catch (...) {
    failed_ = true;
    if (room) room->fail(std::current_exception());
    if (state_ == State::beginning) std::terminate();
    if (state_ == State::finished) return;
    while (abandoned_ < 0) std::this_thread::sleep_for(pause);
    MPI_Abort(MPI_COMM_WORLD, abandoned_);
  }
}

void Post::Office::begin() {
  int provided = 0;
  CHECK_MPI(MPI_Init_thread, nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  CHECK_MPI(MPI_Comm_set_errhandler, MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  CHECK_MPI(MPI_Comm_rank, MPI_COMM_WORLD, &rank);
  CHECK_MPI(MPI_Comm_size, MPI_COMM_WORLD, &ranks);
  room = std::make_unique<WaitingRoom>(ranks, 1);
  count_those_on_machine();
  agree_on_the_time();
  heard_ = said_ = listened_ = WallClock::now();
}

void Post::Office::count_those_on_machine() {
  MPI_Comm machine;
  CHECK_MPI(MPI_Comm_split_type, MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &machine);
  CHECK_MPI(MPI_Comm_rank, machine, &rank_on_machine);
  CHECK_MPI(MPI_Comm_size, machine, &ranks_on_machine);
  CHECK_MPI(MPI_Comm_free, &machine);
}

// Each process asks process 0 for the time, some times; the quickest answer is the most exact. Clocks that
// agree as far as that can be told, as those of one machine do, are left alone
void Post::Office::agree_on_the_time() {
  constexpr int questions = 8;
  std::int64_t now = 0, began_there = nanoseconds(WallClock::now().time_since_epoch());
  CHECK_MPI(MPI_Bcast, &began_there, 1, MPI_INT64_T, 0, MPI_COMM_WORLD);
  for (int other = 1; other < ranks; ++other)
    for (int n = 0; n < questions && rank == 0; ++n) {
      CHECK_MPI(MPI_Recv, nullptr, 0, MPI_BYTE, other, time_asked, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      now = nanoseconds(WallClock::now().time_since_epoch());
      CHECK_MPI(MPI_Send, &now, 1, MPI_INT64_T, other, time_asked, MPI_COMM_WORLD);
    }
  std::int64_t quickest = INT64_MAX;
  for (int n = 0; n < questions && rank > 0; ++n) {
    const std::int64_t asked = nanoseconds(WallClock::now().time_since_epoch());
    CHECK_MPI(MPI_Send, nullptr, 0, MPI_BYTE, 0, time_asked, MPI_COMM_WORLD);
    CHECK_MPI(MPI_Recv, &now, 1, MPI_INT64_T, 0, time_asked, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    const std::int64_t answered = nanoseconds(WallClock::now().time_since_epoch()), took = answered - asked;
    if (took >= quickest) continue;
    quickest = took;
    clock_offset = now - (asked + took / 2);
    if (std::abs(clock_offset) <= took / 2) clock_offset = 0;
  }
  began = WallClock::time_point(std::chrono::nanoseconds(began_there - clock_offset));
}

void Post::Office::turn() {
  hear_of_failures();
  if (abandoned_ >= 0 && WallClock::now() > end_at_) MPI_Abort(MPI_COMM_WORLD, abandoned_);
  bool busy = false;
  if (!failed_) {
    watch_neighbours();
    for (const bool something : {send_queued(), drop_sent(), look_for_letters(), deliver_received()})
      busy = busy || something;
    if (state_ == State::finishing) end_with_all_others();
  }
  if (!busy) std::this_thread::sleep_for(pause);
}

// ---- Letters --------------------------------------------------------------------------

bool Post::Office::send_queued() {
  std::deque<Sending> queued;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    queued.swap(queued_);
  }
  for (Sending& sending : queued) {
    const Letter& letter = sending.letter;
    std::vector<MPI_Request>& requests = sending.requests;
    CHECK_MPI(MPI_Isend, letter.head.data(), static_cast<int>(letter.head.size()), MPI_INT64_T, sending.to,
              tag_of_head(sending.topic), MPI_COMM_WORLD, &requests.emplace_back());
    for (const std::span<const std::byte> piece : letter.pieces)
      for_parts(piece, [&](const std::byte* part, int bytes) {
        CHECK_MPI(MPI_Isend, part, bytes, MPI_BYTE, sending.to, tag_of_pieces(sending.topic), MPI_COMM_WORLD,
                  &requests.emplace_back());
      });
    sending_.push_back(std::move(sending));
  }
  return !queued.empty();
}

bool Post::Office::drop_sent() {
  return std::erase_if(sending_, [](Sending& sending) { return all_done(sending.requests); }) > 0;
}

bool Post::Office::look_for_letters() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::size_t before = receiving_.size();
  for (auto next = expected_.begin(); next != expected_.end();) {
    const auto letter = next++;
    MPI_Status status;
    if (!waits(letter->from, tag_of_head(letter->topic), status)) continue;
    receive(*letter, status);
    receiving_.splice(receiving_.end(), expected_, letter);
  }
  return receiving_.size() > before;
}

void Post::Office::receive(Receiving& letter, const MPI_Status& status) {
  int count = 0;
  CHECK_MPI(MPI_Get_count, &status, MPI_INT64_T, &count);
  std::vector<std::int64_t> head(static_cast<std::size_t>(count));
  CHECK_MPI(MPI_Recv, head.data(), count, MPI_INT64_T, letter.from, tag_of_head(letter.topic), MPI_COMM_WORLD,
            MPI_STATUS_IGNORE);
  letter.room = letter.mailbox->room_for(head);
  for (const std::span<std::byte> piece : letter.room.pieces)
    for_parts(piece, [&](std::byte* part, int bytes) {
      CHECK_MPI(MPI_Irecv, part, bytes, MPI_BYTE, letter.from, tag_of_pieces(letter.topic), MPI_COMM_WORLD,
                &letter.requests.emplace_back());
    });
}

bool Post::Office::deliver_received() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::erase_if(receiving_, [](Receiving& letter) {
           if (!all_done(letter.requests)) return false;
           letter.room = {};
           if (letter.mailbox) letter.mailbox->arrived();
           return true;
         }) > 0;
}

// ---- Life and death -------------------------------------------------------------------

// Says to the next process that this one lives, and listens for the one before
void Post::Office::watch_neighbours() {
  if (ranks == 1) return;
  const int next = next_device(rank, ranks), previous = previous_device(rank, ranks);
  const WallClock::time_point now = WallClock::now();
  if (now - said_ > patience_ / 10) {
    said_ = now;
    CHECK_MPI(MPI_Send, nullptr, 0, MPI_BYTE, next, alive, MPI_COMM_WORLD);
  }
  MPI_Status status;
  while (waits(previous, alive, status)) {
    CHECK_MPI(MPI_Recv, nullptr, 0, MPI_BYTE, previous, alive, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    heard_ = now;
  }
  // Who was stopped itself for a while, as by Ctrl-Z, has not listened
  if (now - listened_ > patience_ / 4) heard_ = now;
  listened_ = now;
  if (now - heard_ > patience_) {
    const double seconds = std::chrono::duration<double>(patience_).count();
    tell_all("[mpi] process " + std::to_string(previous) + " was lost: nothing has been heard of it for " +
                 std::to_string(seconds).substr(0, 4) + " s",
             previous);
  }
}

void Post::Office::hear_of_failures() {
  std::deque<std::string> to_be_told;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    to_be_told.swap(to_be_told_);
  }
  for (const std::string& sentence : to_be_told) tell_all(sentence, rank);

  MPI_Status status;
  if (!waits(MPI_ANY_SOURCE, failure, status)) return;
  int length = 0;
  CHECK_MPI(MPI_Get_count, &status, MPI_CHAR, &length);
  std::string sentence(static_cast<std::size_t>(length), ' ');
  CHECK_MPI(MPI_Recv, sentence.data(), length, MPI_CHAR, status.MPI_SOURCE, failure, MPI_COMM_WORLD,
            MPI_STATUS_IGNORE);
  failed_ = true;
  room->fail(std::make_exception_ptr(std::runtime_error(sentence)));
}

// Whoever is gone cannot be told
void Post::Office::tell_all(const std::string& sentence, int but) {
  failed_ = true;
  told_.push_back(sentence);
  for (int other = 0; other < ranks; ++other)
    if (other != rank && other != but) {
      MPI_Request request;
      CHECK_MPI(MPI_Isend, told_.back().data(), static_cast<int>(told_.back().size()), MPI_CHAR, other,
                failure, MPI_COMM_WORLD, &request);
      CHECK_MPI(MPI_Request_free, &request);
    }
  room->fail(std::make_exception_ptr(std::runtime_error(sentence)));
}

void Post::Office::end_with_all_others() {
  if (!barrier_) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!queued_.empty() || !sending_.empty()) return;
    CHECK_MPI(MPI_Ibarrier, MPI_COMM_WORLD, &barrier_.emplace());
  }
  int done = 0;
  CHECK_MPI(MPI_Test, &*barrier_, &done, MPI_STATUS_IGNORE);
  if (!done) return;
  const auto lock = room->lock();
  state_ = State::finished;
  room->wake_from_outside(lock, rank);
}

}  // namespace ringattn
