#include "reference/oracle/examine/weights/key_slots.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace ringattn {

namespace {

using enum FindingKind;

constexpr Index no_key = -1;

// Slots that the same rows see.
struct SlotGroup {
  std::vector<Index> rows, slots, keys;  // ascending; keys that lie in some of the slots
};

std::vector<SlotGroup> slot_groups(const Matrix<bool>& visible) {
  std::map<std::vector<Index>, std::vector<Index>> slots_of;
  for (Index j = 0; j < visible.cols(); ++j) {
    std::vector<Index> rows;
    for (Index i = 0; i < visible.rows(); ++i)
      if (visible(i, j)) rows.push_back(i);
    slots_of[rows].push_back(j);
  }
  std::vector<SlotGroup> groups;
  for (const auto& [rows, slots] : slots_of)
    if (!rows.empty()) groups.push_back({rows, slots, {}});
  std::stable_sort(groups.begin(), groups.end(), [](const SlotGroup& x, const SlotGroup& y) {
    return x.rows.front() != y.rows.front() ? x.rows.front() < y.rows.front() : x.rows.size() > y.rows.size();
  });
  return groups;
}

// How many slots of a row hold each key, if all slots that the row sees have the same weight; none: no whole numbers
std::optional<Matrix<Index>> slots_of_keys(const ExaminationState& state, const HeadReadout& head) {
  Matrix<Index> counts(head.rows(), head.keys());
  for (Index i = 0; i < head.rows(); ++i) {
    const auto slots = static_cast<double>(head.visible.row(i).count());
    for (Index j = 0; j < head.keys(); ++j) {
      const double count = head.even.found(i, j) * slots, whole = std::round(count);
      if (!(std::abs(count - whole) <= 3 * state.tolerance * std::max(1.0, whole))) return std::nullopt;
      counts(i, j) = static_cast<Index>(whole);
    }
  }
  return counts;
}

// Puts the keys into groups: a key whose first row is i lies in a group of slots whose first row is i, in that of most
// rows which it allows. Returns whether this gives the counts
bool put_keys(Matrix<Index> counts, std::vector<SlotGroup>& groups) {
  for (Index key = 0; key < counts.cols(); ++key)
    for (Index i = 0; i < counts.rows(); ++i)
      while (counts(i, key) > 0) {
        const auto group = std::find_if(groups.begin(), groups.end(), [&](const SlotGroup& each) {
          return each.rows.front() == i && each.keys.size() < each.slots.size() &&
                 std::all_of(each.rows.begin(), each.rows.end(), [&](Index r) { return counts(r, key) > 0; });
        });
        if (group == groups.end()) return false;
        group->keys.push_back(key);
        for (const Index row : group->rows) --counts(row, key);
      }
  return true;
}

// The key of each slot. Slots of one group cannot be told apart: a key stays in its own slot, or at the distance of
// the key before it
std::vector<Index> keys_of_slots(const std::vector<SlotGroup>& groups, Index slots) {
  std::vector<Index> key_of(at(slots), no_key);
  const auto is_free = [&](const SlotGroup& group, Index slot) {
    return std::binary_search(group.slots.begin(), group.slots.end(), slot) && key_of[at(slot)] == no_key;
  };
  std::vector<SlotGroup> left = groups;
  for (SlotGroup& group : left)
    std::erase_if(group.keys, [&](Index key) {
      if (!is_free(group, key)) return false;
      key_of[at(key)] = key;
      return true;
    });
  std::sort(left.begin(), left.end(),
            [](const SlotGroup& x, const SlotGroup& y) { return x.slots.size() < y.slots.size(); });
  Index shift = 0;
  for (const SlotGroup& group : left)
    for (const Index key : group.keys) {
      Index slot = key - shift;
      if (!is_free(group, slot))
        slot = *std::find_if(group.slots.begin(), group.slots.end(),
                             [&](Index each) { return key_of[at(each)] == no_key; });
      key_of[at(slot)] = key, shift = key - slot;
    }
  return key_of;
}

// Do the slots give the weights under varied scores?
bool gives_weights(const ExaminationState& state, const HeadReadout& head, const std::vector<Index>& key_of) {
  for (Index i = 0; i < head.rows(); ++i) {
    Vector<double> terms = Vector<double>::Zero(head.keys());
    double sum = 0;
    for (Index slot = 0; slot < head.keys(); ++slot) {
      if (!head.visible(i, slot)) continue;
      const Index key = key_of[at(slot)];
      const double term = key == no_key ? 1 : std::exp(head.scores(i, key));
      sum += term;
      if (key != no_key) terms(key) += term;
    }
    const Vector<double> found = head.varied.found.row(i);
    const double limit = std::expm1(2.3 * state.tolerance);
    if (!((found - terms / sum).cwiseAbs().array() <= limit * (terms / sum).array() + 1e-9).all())
      return false;
  }
  return true;
}

// The smallest n for which the key of a slot depends on its number modulo n only; none if a slot has no key
std::optional<Index> period_of(const std::vector<Index>& key_of) {
  const auto slots = static_cast<Index>(key_of.size());
  if (std::count(key_of.begin(), key_of.end(), no_key) > 0) return std::nullopt;
  for (Index n = 1; 2 * n <= slots; ++n) {
    bool holds = true;
    for (Index j = 0; j + n < slots && holds; ++j) holds = key_of[at(j)] == key_of[at(j + n)];
    if (holds) return n;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Finding> find_key_slots(const ExaminationState& state, const HeadReadout& head) {
  if (!head.all_open()) return std::nullopt;
  const auto counts = slots_of_keys(state, head);
  std::vector<SlotGroup> groups = slot_groups(head.visible);
  if (!counts || !put_keys(*counts, groups)) return std::nullopt;
  const std::vector<Index> key_of = keys_of_slots(groups, head.keys());
  if (!gives_weights(state, head, key_of)) return std::nullopt;

  // Slots with other keys, in few runs, and slots of zeros
  Finding finding{.kind = keys_in_slots};
  Index runs = 0, shift = 0;
  for (Index slot = 0; slot < head.keys(); ++slot) {
    const Index key = key_of[at(slot)];
    if (key == slot || !head.visible.col(slot).any()) continue;
    if (key == no_key) {
      finding.indices["zeros"].push_back(slot);
      continue;
    }
    finding.indices["slots"].push_back(slot), finding.indices["keys"].push_back(key);
    runs += key - slot != shift, shift = key - slot;
  }
  if (!finding.indices.contains("slots") || runs > head.keys() / 4 + 2) return std::nullopt;
  if (const auto n = period_of(key_of)) {
    finding.numbers["period"] = static_cast<double>(*n);
    finding.indices["of_period"] = {key_of.begin(), key_of.begin() + *n};
  }
  return finding;
}

}  // namespace ringattn
