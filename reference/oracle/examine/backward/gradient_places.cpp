#include "reference/oracle/examine/backward/gradient_places.h"

#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/fit/row_sources.h"
#include "reference/oracle/examine/fit/statistics.h"

namespace ringattn {

namespace {

using enum FindingKind;

// Each element (b, i, h, d) of a tensor
template <class Action>
void for_each_element(const Shape& shape, const Action& action) {
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index i = 0; i < shape.S; ++i)
        for (Index d = 0; d < shape.D; ++d) action(b, i, h, d);
}

std::vector<HeadRows> places_of_rows(const RowsOfHeads& rows) {
  std::vector<HeadRows> where;
  for (Index b = 0; b < rows.batches(); ++b)
    for (Index h = 0; h < rows.heads(); ++h)
      if (const auto& of_head = rows(b, h); !of_head.empty())
        where.push_back({b, h, {of_head.begin(), of_head.end()}});
  return where;
}

}  // namespace

bool NamedGradient::is_wrong() const {
  bool wrong = false;
  for_each_element(right.shape(),
                   [&](Index b, Index i, Index h, Index d) { wrong = wrong || is_wrong(b, i, h, d); });
  return wrong;
}

std::vector<NamedGradient> named_gradients(GradientReadout& r) {
  return {{"dq", r.found.dq, r.right.dq, r.allowed.dq, &r.dq_channels},
          {"dk", r.found.dk, r.right.dk, r.allowed.dk, &r.dk_channels},
          {"dv", r.found.dv, r.right.dv, r.allowed.dv, &r.dv_channels}};
}

// ---- Rows ------------------------------------------------------------------------

bool is_right_elsewhere(const NamedGradient& gradient, const RowsOfHeads& rows) {
  bool right = true;
  for_each_element(gradient.right.shape(), [&](Index b, Index i, Index h, Index d) {
    right = right && (rows(b, h).contains(i) || !gradient.is_wrong(b, i, h, d));
  });
  return right;
}

void explain_rows(ExaminationState& state, NamedGradient& gradient, const RowsOfHeads& rows,
                  FindingKind kind) {
  for (Index b = 0; b < rows.batches(); ++b)
    for (Index h = 0; h < rows.heads(); ++h)
      for (const Index i : rows(b, h)) gradient.found.head(b, h).row(i) = gradient.right.head(b, h).row(i);
  Finding finding{
      .kind = kind, .where = places_of_rows(rows), .tensor = gradient.name, .of_keys = gradient.of_keys()};
  if (!finding.where.empty()) state.findings.add(finding);
}

RowsOfHeads rows_not_finite(const NamedGradient& gradient) {
  const Shape& shape = gradient.found.shape();
  RowsOfHeads rows(shape.B, shape.H);
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index i = 0; i < shape.S; ++i)
        if (!gradient.found.head(b, h).row(i).allFinite()) rows(b, h).insert(i);
  return rows;
}

// Neighbours that are 0 and right belong to them
RowsOfHeads rows_of_zeros(const NamedGradient& gradient) {
  const Shape& shape = gradient.found.shape();
  RowsOfHeads rows(shape.B, shape.H);
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h) {
      std::set<Index>& of_head = rows(b, h);
      const auto is_zero = [&](Index i) {
        return i >= 0 && i < shape.S && (gradient.found.head(b, h).row(i).array() == 0).all();
      };
      for (Index i = 0; i < shape.S; ++i) {
        bool wrong = false;
        for (Index d = 0; d < shape.D; ++d) wrong = wrong || gradient.is_wrong(b, i, h, d);
        if (wrong && is_zero(i)) of_head.insert(i);
      }
      for (const Index i : std::vector<Index>(of_head.begin(), of_head.end()))
        for (const Index step : {-1, 1})
          for (Index n = i + step; is_zero(n) && !of_head.contains(n); n += step) of_head.insert(n);
    }
  return rows;
}

// ---- Channels --------------------------------------------------------------------

namespace {

// The wrong channels, and the rows in which they are wrong
struct WrongChannels {
  std::vector<Index> channels;
  RowsOfHeads rows;
};

// None unless a quarter of the channels is right in all rows, and the others are wrong in most of the wrong rows: a
// wrong row has few right elements by chance
std::optional<WrongChannels> wrong_channels(const NamedGradient& gradient) {
  const Shape& shape = gradient.right.shape();
  std::vector<Index> count(static_cast<std::size_t>(shape.D), 0);
  WrongChannels wrong{{}, RowsOfHeads(shape.B, shape.H)};
  for_each_element(shape, [&](Index b, Index i, Index h, Index d) {
    if (!gradient.is_wrong(b, i, h, d)) return;
    ++count[static_cast<std::size_t>(d)], wrong.rows(b, h).insert(i);
  });
  Index rows = 0;
  for (const std::set<Index>& of_head : wrong.rows) rows += static_cast<Index>(of_head.size());
  for (Index d = 0; d < shape.D; ++d)
    if (const Index of_channel = count[static_cast<std::size_t>(d)]; of_channel > 0) {
      if (2 * of_channel < rows) return std::nullopt;
      wrong.channels.push_back(d);
    }
  const auto channels = static_cast<Index>(wrong.channels.size());
  return channels == 0 || 4 * channels > 3 * shape.D ? std::nullopt : std::optional(wrong);
}

// Do the wrong channels hold the right elements at this distance in rows and channels?
bool holds_others(const NamedGradient& gradient, const WrongChannels& wrong, Index rows, Index channels) {
  const Shape& shape = gradient.right.shape();
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (const Index i : wrong.rows(b, h))
        for (const Index d : wrong.channels) {
          const Index n = i + rows, c = d + channels;
          if (n < 0 || n >= shape.S || c < 0 || c >= shape.D) return false;
          if (!(std::abs(gradient.found(b, i, h, d) - gradient.right(b, n, h, c)) <=
                gradient.allowed(b, n, h, c)))
            return false;
        }
  return true;
}

// dK and dV that hold the parts of one member of each group of query heads
OrdinaryGradients gradients_of_member(const ExaminationState& state, const GradientReadout& readout,
                                      Index member) {
  const Index group = state.attention.q.H / state.attention.k.H;
  PerHead<HeadGradients> heads = readout.heads;
  for (HeadGradients& head : heads)
    if (head.h % group != member)
      for (Matrix<double>* matrix : {&head.right_P, &head.right_dS, &head.allowed_P, &head.allowed_dS})
        matrix->setZero();
  return ordinary_gradients(state, heads, {readout.wide_Q, readout.wide_K, readout.dout});
}

// Do the wrong channels hold the part of one member of each group of query heads?
bool hold_part(const NamedGradient& gradient, const WrongChannels& wrong, const OrdinaryGradients& member) {
  const bool of_dk = std::string(gradient.name) == "dk";
  const Tensor<double>&part = of_dk ? member.right.dk : member.right.dv,
        &allowed = of_dk ? member.allowed.dk : member.allowed.dv;
  const Shape& shape = gradient.right.shape();
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (const Index j : wrong.rows(b, h))
        for (const Index d : wrong.channels)
          if (!(std::abs(gradient.found(b, j, h, d) - part(b, j, h, d)) <= allowed(b, j, h, d))) return false;
  return true;
}

// What the wrong channels hold: zeros, elements of other channels or rows, or a part of the sum over query heads
void add_contents(const ExaminationState& state, const GradientReadout& readout,
                  const NamedGradient& gradient, const WrongChannels& wrong, Finding& finding) {
  const Shape& shape = gradient.right.shape();
  bool zero = true;
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (const Index i : wrong.rows(b, h))
        for (const Index d : wrong.channels) zero = zero && gradient.found(b, i, h, d) == 0;
  if (zero) {
    finding.subject = "zero";
    return;
  }
  for (Index distance = 0; distance < shape.S; ++distance)
    for (const Index rows : {distance, -distance})
      for (Index channels = 1 - shape.D; channels < shape.D; ++channels)
        if (holds_others(gradient, wrong, rows, channels)) {
          finding.subject = "moved";
          finding.numbers = {{"row_shift", static_cast<double>(rows)},
                             {"channel_shift", static_cast<double>(channels)}};
          return;
        }
  const Index group = state.attention.q.H / state.attention.k.H;
  if (!gradient.of_keys() || group == 1) return;
  for (Index member = 0; member < group; ++member)
    if (hold_part(gradient, wrong, gradients_of_member(state, readout, member))) {
      finding.subject = "member", finding.numbers = {{"member", static_cast<double>(member)}};
      return;
    }
}

}  // namespace

void find_wrong_channels(ExaminationState& state, const GradientReadout& readout, NamedGradient& gradient) {
  const auto wrong = wrong_channels(gradient);
  if (!wrong) return;
  Finding finding{.kind = gradient_channels,
                  .where = places_of_rows(wrong->rows),
                  .indices = {{"channels", wrong->channels}},
                  .tensor = gradient.name,
                  .of_keys = gradient.of_keys()};
  add_contents(state, readout, gradient, *wrong, finding);
  state.findings.add(finding);
  const auto is_explained = [&](Index d) {
    return std::binary_search(wrong->channels.begin(), wrong->channels.end(), d);
  };
  for_each_element(gradient.right.shape(), [&](Index b, Index i, Index h, Index d) {
    if (is_explained(d)) gradient.found(b, i, h, d) = gradient.right(b, i, h, d);
  });
  std::erase_if(*gradient.channels, is_explained);
}

// ---- Rows of a gradient that stand in other rows ---------------------------------

namespace {

// The row whose right gradient row i holds: clearly nearer than its own, and not just nearly 0
std::optional<Index> source_of(const ExaminationState& state, const NamedGradient& gradient, double size,
                               Index b, Index h, Index i) {
  const Vector<double> found = gradient.found.head(b, h).row(i);
  const auto right = gradient.right.head(b, h);
  const auto error = [&](Index n) { return (right.row(n).transpose() - found).cwiseAbs().maxCoeff(); };
  const auto limit = [&](Index n) {
    return 4 * state.rounding * right.row(n).cwiseAbs().maxCoeff() + 1e-4 * size;
  };
  if (!(error(i) > 2 * limit(i))) return i;
  Index nearest = 0;
  (right.rowwise() - found.transpose()).rowwise().squaredNorm().minCoeff(&nearest);
  const bool clear = error(nearest) < 0.1 * error(i) && found.cwiseAbs().maxCoeff() > 10 * limit(nearest);
  return clear && error(nearest) <= limit(nearest) ? std::optional(nearest) : std::nullopt;
}

// The sources of the moved rows, if most wrong rows have one, all heads agree, and no two rows share one
std::optional<std::map<Index, Index>> moved_rows(const ExaminationState& state,
                                                 const NamedGradient& gradient) {
  const Shape& shape = gradient.right.shape();
  const double size = largest_magnitude(gradient.right);
  std::map<Index, Index> map, back;
  Index wrong = 0, hits = 0;
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h)
      for (Index i = 0; i < shape.S; ++i) {
        const auto source = source_of(state, gradient, size, b, h, i);
        if (source == i) continue;
        ++wrong;
        if (!source) continue;
        ++hits;
        if (map.try_emplace(i, *source).first->second != *source ||
            back.try_emplace(*source, i).first->second != i)
          return std::nullopt;
      }
  if (hits < 3 || 2 * hits <= wrong) return std::nullopt;
  return map;
}

// The rows of a block hold those of the block of another device, at one distance
std::optional<Index> block_shift(const RowSharding& rows, const std::map<Index, Index>& map) {
  std::set<Index> shifts;
  for (const auto& [row, source] : map) {
    if (rows.place_of(row) != rows.place_of(source)) return std::nullopt;
    shifts.insert((rows.device_of(source) - rows.device_of(row) + rows.devices()) % rows.devices());
  }
  return shifts.size() == 1 ? std::optional(*shifts.begin()) : std::nullopt;
}

// The head whose right gradient some rows of a head hold: itself if they are right; none
std::optional<std::pair<Index, Index>> source_of_head(const ExaminationState& state,
                                                      const NamedGradient& gradient, Index b, Index h,
                                                      const std::vector<Index>& rows) {
  const Shape& shape = gradient.right.shape();
  const auto found = gradient.found.head(b, h);
  const double size = largest_magnitude(gradient.right);
  const auto holds = [&](Index other_b, Index other_h) {
    const auto right = gradient.right.head(other_b, other_h);
    return std::all_of(rows.begin(), rows.end(), [&](Index i) {
      const double limit = 4 * state.rounding * right.row(i).cwiseAbs().maxCoeff() + 1e-4 * size;
      return (found.row(i) - right.row(i)).cwiseAbs().maxCoeff() <= limit;
    });
  };
  bool right = true;
  for (const Index i : rows)
    for (Index d = 0; d < shape.D; ++d) right = right && !gradient.is_wrong(b, i, h, d);
  if (right) return std::pair{b, h};
  for (Index other_b = 0; other_b < shape.B; ++other_b)
    for (Index other_h = 0; other_h < shape.H; ++other_h)
      if ((other_b != b || other_h != h) && holds(other_b, other_h)) return std::pair{other_b, other_h};
  return std::nullopt;
}

// The step s if, on device r, head h holds head (h + s r) mod H of the same sequence; none
std::optional<Index> head_step(const RowSharding& sharding, Index H, const std::vector<RowSource>& sources) {
  for (Index step = 1; step < H; ++step)
    if (std::all_of(sources.begin(), sources.end(), [&](const RowSource& s) {
          return s.place.b == s.from.b &&
                 (s.place.h + step * sharding.device_of(s.place.row)) % H == s.from.h;
        }))
      return step;
  return std::nullopt;
}

// The rows of a device in each wrong head hold the right gradient of another head
bool find_exchanged_heads(ExaminationState& state, const NamedGradient& gradient) {
  const Shape& shape = gradient.right.shape();
  const RowSharding& sharding = gradient.of_keys() ? state.sharding.keys : state.sharding.queries;
  std::vector<RowSource> sources;
  for (int device = 0; device < sharding.devices(); ++device)
    for (Index b = 0; b < shape.B; ++b)
      for (Index h = 0; h < shape.H; ++h) {
        const std::vector<Index>& rows = sharding.rows_of(device);
        const auto from = source_of_head(state, gradient, b, h, rows);
        if (!from) return false;
        if (*from == std::pair{b, h}) continue;
        for (const Index i : rows) sources.push_back({{b, h, i}, {from->first, from->second, i}});
      }
  if (sources.empty()) return false;
  const RowsOf rows = gradient.of_keys() ? RowsOf::keys : RowsOf::queries;
  std::vector<Finding> findings = findings_of_sources(state, gradient_rows_moved, sources, rows);
  if (const auto step = head_step(sharding, shape.H, sources))
    findings = {{.kind = gradient_rows_moved,
                 .numbers = {{"step", static_cast<double>(*step)}, {"heads", static_cast<double>(shape.H)}},
                 .subject = "heads of devices"}};
  for (Finding& finding : findings) {
    finding.tensor = gradient.name, finding.of_keys = gradient.of_keys();
    state.findings.add(finding);
  }
  return true;
}

}  // namespace

bool find_moved_gradients(ExaminationState& state, const NamedGradient& gradient) {
  const auto map = moved_rows(state, gradient);
  if (!map) return find_exchanged_heads(state, gradient);
  const RowSharding& sharding = gradient.of_keys() ? state.sharding.keys : state.sharding.queries;
  Finding finding{.kind = gradient_rows_moved, .tensor = gradient.name, .of_keys = gradient.of_keys()};
  if (const auto shift = block_shift(sharding, *map)) {
    finding.kind = gradient_blocks_moved;
    finding.numbers = {{"shift", static_cast<double>(*shift)},
                       {"devices", static_cast<double>(sharding.devices())}};
  } else {
    for (const auto& [row, source] : *map)
      finding.indices["rows"].push_back(row), finding.indices["sources"].push_back(source);
  }
  state.findings.add(finding);
  return true;
}

}  // namespace ringattn
