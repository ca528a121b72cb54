#include "visualizer/model/code_lines.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace ringattn::viz {

namespace {

// ---- The functions --------------------------------------------------------------

constexpr std::string_view loop_file = "reference/ring/loop.h", device_file = "reference/ring/device.h",
                           port_file = "reference/ring/port.h",
                           forward_file = "reference/blockwise/block_forward.cpp",
                           state_file = "reference/blockwise/softmax_state.cpp",
                           backward_file = "reference/blockwise/block_backward.cpp";

constexpr CodeFunction run_ring{"run_ring", loop_file, "template <class T>\nvoid run_ring("};
constexpr CodeFunction device_send_on{"Device::send_on", device_file,
                                      "template <class T>\nvoid Device<T>::send_on("};
constexpr CodeFunction device_attend{"Device::attend", device_file,
                                     "template <class T>\nvoid Device<T>::attend("};
constexpr CodeFunction device_take_next{"Device::take_next", device_file,
                                        "template <class T>\nvoid Device<T>::take_next("};
constexpr CodeFunction device_finish{"Device::finish", device_file,
                                     "template <class T>\nvoid Device<T>::finish("};
constexpr CodeFunction device_add_results{"Device::add_results", device_file,
                                          "template <class T>\nvoid Device<T>::add_results("};
constexpr CodeFunction port_send{"Port::send", port_file, "template <class T>\nvoid Port<T>::send("};
constexpr CodeFunction port_receive{"Port::receive", port_file, "template <class T>\nvoid Port<T>::receive("};
constexpr CodeFunction block_attend{"attend", forward_file, "template <class T>\nvoid attend("};
constexpr CodeFunction absorb{"SoftmaxState::absorb", state_file,
                              "template <class T>\nvoid SoftmaxState<T>::absorb("};
constexpr CodeFunction merge{"SoftmaxState::merge", state_file,
                             "template <class T>\nvoid SoftmaxState<T>::merge("};
constexpr CodeFunction block_attend_backward{"attend_backward", backward_file,
                                             "template <class T>\nvoid attend_backward("};
constexpr CodeFunction probabilities{"row_probabilities", backward_file,
                                     "template <class T>\nvoid row_probabilities("};

// Of other strategies: what differs from a ring
constexpr CodeFunction all_gather{"all_gather_schedule", "reference/strategies/all_gather.h",
                                  "inline Schedule all_gather_schedule("};
constexpr CodeFunction reverse_ring{"reverse_ring_schedule", "reference/strategies/bidirectional.h",
                                    "inline Schedule reverse_ring_schedule("};
constexpr CodeFunction double_ring{"double_ring_schedule", "reference/strategies/double_ring.h",
                                   "inline ScheduleFactory double_ring_schedule("};
constexpr CodeFunction tree{"tree_schedule", "reference/strategies/tree_decode.cpp",
                            "Schedule tree_schedule("};
constexpr CodeFunction run_usp{"run_usp", "reference/strategies/usp_loop.h",
                               "template <class T, class SomeDevice>\nvoid run_usp("};
constexpr CodeFunction take_pieces{"HeadExchange::take_pieces", "reference/strategies/head_exchange.h",
                                   "template <class T>\nstd::vector<Block<T>> HeadExchange<T>::take_pieces("};

// ---- The table of statements -------------------------------------------------------

enum MarkId {
  loop_sends_first,
  loop_attends,
  loop_sends_after,
  loop_takes_next,
  loop_finishes,
  sends_block_on,
  works_on_block,
  receives_earlier_results,
  joins_results,
  sends_results,
  receives_next_block,
  receives_own_results,
  finalizes,
  waits_for_room,
  waits_for_message,
  makes_scores,
  absorbs_scores,
  raises_maximum,
  takes_alpha,
  adds_to_sum,
  rescales_output,
  adds_to_output,
  merges,
  makes_backward_scores,
  makes_probabilities,
  adds_to_gradients,
  sends_heads,
  collects_rows,
  runs_ring,
  sends_heads_back,
  collects_results,
  receives_pieces,
  marks
};

// Indexed by MarkId
constexpr CodeMark table[marks] = {
    {&run_ring, "if (overlap)\n      for (Device<T>& d : local) d.send_on(step);"},
    {&run_ring, "for (Device<T>& d : local) d.attend(step);"},
    {&run_ring, "if (!overlap)\n      for (Device<T>& d : local) d.send_on(step);"},
    {&run_ring, "for (Device<T>& d : local) d.take_next(step);"},
    {&run_ring, "for (Device<T>& d : local) d.finish();"},
    {&device_send_on,
     "for (const int to : at(step).block_to) port_.send(step, to, schedule_.blocks, pass_.blocks, "
     "resident_);"},
    {&device_attend, "result_ = program_.attend(step, resident_);"},
    {&device_attend, "add_results(step, at(step).results_from);"},
    {&device_add_results, "program_.accumulate(step, result_, std::move(arrived));"},
    {&device_take_next, "port_.send(step, s.results_to, schedule_.results, pass_.results, result_);"},
    {&device_take_next, "port_.receive(step, s.block_from, schedule_.blocks, pass_.blocks, resident_);"},
    {&device_finish,
     "add_results(static_cast<int>(schedule_.steps.size()) - 1, schedule_.own_results_from);"},
    {&device_finish, "recorder_.record_finalize();"},
    {&port_send, "link_.reserve(device_, to, channel);"},
    {&port_receive, "link_.receive(device_, from, channel, held, recorder_.now());"},
    {&block_attend, "Scores<T> S = score_tile(pair, tiles, b, h, scratch);"},
    {&block_attend,
     "state.absorb(b, h, tiles.queries.begin, S, visible_keys_in_tile(pair, tiles, b),\n"
     "                 V.middleRows(tiles.keys.begin, tiles.keys.size()));"},
    {&absorb, "const T m_new = std::max(m_row, kernels.largest(P, keys.size()));"},
    {&absorb, "const T alpha = std::exp(m_row - m_new);"},
    {&absorb, "l_row = alpha * l_row + kernels.exponentiate(P, keys.size(), m_new);"},
    {&absorb, "O_rows.row(i) *= alpha;"},
    {&absorb, "multiply_add(T(1), S, V, O_rows);"},
    {&merge,
     "m(b, i, h, 0) = m_both;\n"
     "        l(b, i, h, 0) = alpha * l(b, i, h, 0) + beta * other.l(b, i, h, 0);\n"
     "        O.head(b, h).row(i) = alpha * O.head(b, h).row(i) + beta * other.O.head(b, h).row(i);"},
    {&block_attend_backward,
     "Scores<T> P = score_tile(pair, tiles, b, h, scratch.P);\n"
     "    Scores<T> dS = scratch.dS.of(P.rows(), P.cols());\n"
     "    multiply(T(1), dO, V.transpose(), dS);"},
    {&probabilities,
     "tile_kernels<T>().exponentiate(score.data(), keys.size(), lse);\n"
     "  dS.row(i).segment(keys.begin, keys.size()).array() *= score;"},
    {&block_attend_backward,
     "multiply_add(T(1), P.transpose(), dO, of_keys(gradients.dv.head(b, g)));\n"
     "    multiply_add(scale, dS, K, of_queries(gradients.dq.head(b, h)));\n"
     "    multiply_add(scale, dS.transpose(), Q, of_keys(gradients.dk.head(b, g)));"},
    {&run_usp, "for (const auto& d : local) d->send_heads();"},
    {&run_usp, "d->join_ring(options.recorders != nullptr), link, recorders.of(d->device()));"},
    {&run_usp, "run_ring(std::span(ring), options.devices / u, options.overlap);"},
    {&run_usp, "for (const auto& d : local) d->send_results();"},
    {&run_usp, "for (const auto& d : local) d->take_results();"},
    {&take_pieces,
     "port_.receive(outside_steps, group_.devices[sender], channel(side), name, pieces[sender]);"},
};

// ---- The statements that a device executes ------------------------------------------

// Finds the statements that one device executes at a moment.
class ProgramPosition {
 public:
  ProgramPosition(const Recording& recording, const Moment& moment, int device)
      : recording_(recording),
        distribution_(recording.distribution()),
        moment_(moment),
        device_(device),
        spans_(recording.spans().of(device)),
        now_(moment.devices[static_cast<std::size_t>(device)]) {}

  std::vector<CodeLine> read() {
    if (const Event* event = instant_event())
      highlight_instant(*event);
    else if (now_.activity == Activity::computing)
      computing();
    else if (now_.activity == Activity::waiting)
      waiting();
    sending();
    return std::move(lines_);
  }

 private:
  void highlight(const Event& event, std::initializer_list<MarkId> which) {
    for (const MarkId mark : which) lines_.push_back({&table[mark], event.id});
  }

  // A merge, a gradient hop or the finalize event exactly at this moment; it precedes a span that begins at this moment
  const Event* instant_event() const {
    if (now_.doing && recording_.began(*now_.doing, moment_.clock) < moment_.t) return nullptr;
    const Event* last = nullptr;
    for (const Span& span : spans_) {
      const EventKind kind = span.begin->kind;
      if (kind != EventKind::merge && kind != EventKind::grad_hop && kind != EventKind::finalize) continue;
      if (recording_.began(span, moment_.clock) == moment_.t) last = span.begin;
    }
    return last;
  }

  void highlight_instant(const Event& event) {
    if (event.kind == EventKind::finalize && distribution_.exchanges_heads())
      return highlight(event, {collects_results});
    in_ring_of_groups(event);
    if (event.kind == EventKind::finalize)
      highlight(event, {loop_finishes, finalizes});
    else if (event.kind == EventKind::merge)
      highlight(event, {loop_attends, joins_results, merges});
    else
      highlight(event, {loop_attends, joins_results});
  }

  // With an exchange of heads, the ring is a part of the pass
  void in_ring_of_groups(const Event& event) {
    if (distribution_.exchanges_heads()) highlight(event, {runs_ring});
  }

  // Heads are exchanged before the ring, results after it
  void waiting_for_pieces(const Event& wait) {
    const bool before = now_.step < 0;
    highlight(wait, {before ? collects_rows : collects_results, receives_pieces, waits_for_message});
  }

  // The phases of absorbing a block; the times are those of absorb_phases()
  void computing() {
    const Event& event = *now_.doing->begin;
    const double fraction = now_.fraction;
    in_ring_of_groups(event);
    highlight(event, {loop_attends, works_on_block});
    if (event.mask_class == "skipped") return;
    // Backward: scores, probabilities, gradients. Forward: scores, then the update of (m, l, O)
    if (pass() == "backward") {
      if (fraction < 0.4)
        highlight(event, {makes_backward_scores});
      else if (fraction < 0.6)
        highlight(event, {makes_probabilities});
      else
        highlight(event, {adds_to_gradients});
    } else if (fraction < 0.25) {
      highlight(event, {makes_scores});
    } else {
      highlight(event, {absorbs_scores});
      if (fraction < 0.4)
        highlight(event, {raises_maximum});
      else if (fraction < 0.6)
        highlight(event, {takes_alpha, rescales_output});
      else
        highlight(event, {adds_to_sum, adds_to_output});
    }
  }

  // The event after a wait names what the device waits for
  void waiting() {
    const Event& wait = *now_.doing->begin;
    const Span* next = now_.doing + 1;
    if (next >= spans_.data() + spans_.size()) next = nullptr;
    const bool for_room = wait.why == "send_buffer";
    if (distribution_.exchanges_heads(wait) && !for_room) return waiting_for_pieces(wait);
    in_ring_of_groups(wait);
    const MarkId innermost = for_room ? waits_for_room : waits_for_message;
    // A wait for results, or for a block
    if (next && is_result(next->begin->what)) {
      if (for_room)
        highlight(wait, {loop_takes_next, sends_results});
      else if (has_sent_last_result(wait) || only_gets_the_total())
        highlight(wait, {loop_finishes, receives_own_results});
      else
        highlight(wait, {loop_attends, receives_earlier_results});
    } else if (next) {
      if (for_room)
        highlight(wait, {sends_loop(), sends_block_on});
      else
        highlight(wait, {loop_takes_next, receives_next_block});
    }
    highlight(wait, {innermost});
  }

  bool has_sent_last_result(const Event& wait) const {
    return std::any_of(spans_.data(), now_.doing, [&](const Span& span) {
      return span.begin->kind == EventKind::send && is_result(span.begin->what) &&
             span.begin->step == distribution_.steps() - 1 && wait.step == span.begin->step &&
             recording_.pass_of(span) == moment_.pass;
    });
  }

  // In a tree, a device beyond the cube merges no state
  bool only_gets_the_total() const {
    return distribution_.strategy() == Strategy::tree && distribution_.merges(device_) == 0;
  }

  // Messages that the device has sent and that have not arrived
  void sending() {
    for (const Flight& flight : moment_.flights) {
      const Event& send = *flight.send->begin;
      if (send.id.device != device_) continue;
      const MarkId mark = flight.exchanges_heads ? (flight.is_block ? sends_heads : sends_heads_back)
                          : flight.is_block      ? sends_loop()
                                                 : loop_takes_next;
      const bool highlighted = std::any_of(lines_.begin(), lines_.end(),
                                           [&](const CodeLine& line) { return line.mark == &table[mark]; });
      if (!highlighted) lines_.push_back({&table[mark], send.id, true});
    }
  }

  MarkId sends_loop() const { return recording_.header().overlap ? loop_sends_first : loop_sends_after; }
  std::string_view pass() const {
    return recording_.header().passes[static_cast<std::size_t>(recording_.pass_of(*now_.doing))];
  }

  const Recording& recording_;
  const Distribution& distribution_;
  const Moment& moment_;
  int device_;
  std::span<const Span> spans_;
  const DeviceMoment& now_;
  std::vector<CodeLine> lines_;
};

// ---- Finding statements in a text -----------------------------------------------------

// A text without // comments and white space, and the line of each remaining character.
struct BareCode {
  std::string characters;
  std::vector<int> lines;

  explicit BareCode(std::string_view text) {
    int line = 0;
    bool comment = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n')
        ++line, comment = false;
      else if (text.substr(i, 2) == "//")
        comment = true;
      if (comment || std::isspace(static_cast<unsigned char>(text[i]))) continue;
      characters += text[i];
      lines.push_back(line);
    }
  }
};

}  // namespace

std::vector<CodeLine> highlighted_lines(const Recording& recording, const Moment& moment, int device) {
  if (recording.spans().of(device).empty()) return {};
  return ProgramPosition(recording, moment, device).read();
}

const CodeFunction& code_of_strategy(const Recording& recording) {
  switch (recording.distribution().strategy()) {
    case Strategy::all_gather:
      return all_gather;
    case Strategy::bidirectional:
      return reverse_ring;
    case Strategy::double_ring:
      return double_ring;
    case Strategy::ulysses:
    case Strategy::usp:
      return run_usp;
    case Strategy::tree:
      return tree;
    default:
      return run_ring;
  }
}

std::vector<const CodeMark*> code_marks() {
  std::vector<const CodeMark*> all;
  for (const CodeMark& mark : table) all.push_back(&mark);
  return all;
}

LineRange lines_of_snippet(std::string_view text, std::string_view snippet) {
  const BareCode code(text);
  const std::string wanted = BareCode(snippet).characters;
  const std::size_t place = code.characters.find(wanted);
  if (place == std::string::npos || code.characters.find(wanted, place + 1) != std::string::npos) return {};
  return {code.lines[place], code.lines[place + wanted.size() - 1] + 1};
}

LineRange lines_of_function(std::string_view text, const CodeFunction& function) {
  const LineRange head = lines_of_snippet(text, function.begins);
  if (head.end == 0) return {};

  // The first line after the head that is a closing brace in the first column
  int line = 0;
  for (std::size_t begin = 0; begin < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (line >= head.end && text.substr(begin, end - begin) == "}") return {head.begin, line + 1};
    begin = end + 1;
  }
  return {};
}

}  // namespace ringattn::viz
