// Right elements of out in other channels.

#include <algorithm>
#include <map>

#include "reference/oracle/error_bound/distance.h"
#include "reference/oracle/examine/examination.h"
#include "reference/oracle/verdict/tensor_verdict.h"

namespace ringattn {

namespace {

using enum FindingKind;

// A row and a channel of out, in all heads that are wrong
struct Place {
  Index row = 0, channel = 0;
  auto operator<=>(const Place&) const = default;
};

struct WrongHead {
  Index b = 0, h = 0;
};

// out of ordinary numbers, of the heads that have wrong elements.
struct WrongElements {
  const ExaminationState& state;
  std::vector<WrongHead> heads;
  std::vector<Place> places, zeros;  // wrong in some of these heads; 0 in all of them

  explicit WrongElements(const ExaminationState& examined) : state(examined) {
    const Shape& out = state.ordinary.out.shape();
    for (Index b = 0; b < out.B; ++b)
      for (Index h = 0; h < out.H; ++h) {
        bool wrong = false;
        for (Index i = 0; i < out.S; ++i)
          for (Index d = 0; d < out.D; ++d) wrong = wrong || !holds({b, h}, {i, d}, {i, d});
        if (wrong) heads.push_back({b, h});
      }
    for (Index i = 0; i < out.S; ++i)
      for (Index d = 0; d < out.D; ++d)
        if (!holds_in_all({i, d}, {i, d})) (is_zero({i, d}) ? zeros : places).push_back({i, d});
  }

  // Does the element hold the right one of another place?
  bool holds(const WrongHead& head, const Place& place, const Place& from) const {
    const AttentionOutput<double>&right = state.bounded.truth, &tolerance = state.bounded.tolerance;
    return error_in_tolerances(state.ordinary.out(head.b, place.row, head.h, place.channel),
                               right.out(head.b, from.row, head.h, from.channel),
                               tolerance.out(head.b, from.row, head.h, from.channel)) <= largest_note;
  }
  bool holds_in_all(const Place& place, const Place& from) const {
    const Shape& out = state.ordinary.out.shape();
    if (from.row < 0 || from.row >= out.S || from.channel < 0 || from.channel >= out.D) return false;
    return std::all_of(heads.begin(), heads.end(),
                       [&](const WrongHead& head) { return holds(head, place, from); });
  }
  bool is_zero(const Place& place) const {
    return std::all_of(heads.begin(), heads.end(), [&](const WrongHead& head) {
      return state.ordinary.out(head.b, place.row, head.h, place.channel) == 0;
    });
  }
};

Place moved(const Place& place, const Place& distance) {
  return {place.row + distance.row, place.channel + distance.channel};
}

// The distances at which a part of the places have their right elements: found from a sample
std::vector<Place> likely_distances(const WrongElements& wrong) {
  constexpr std::size_t sample_size = 48, least_part = 12;
  const Shape& out = wrong.state.ordinary.out.shape();
  std::vector<Place> sample, distances;
  const std::size_t size = std::min(sample_size, wrong.places.size());
  for (std::size_t n = 0; n < size; ++n) sample.push_back(wrong.places[n * wrong.places.size() / size]);
  for (Index row = 1 - out.S; row < out.S; ++row)
    for (Index channel = 1 - out.D; channel < out.D; ++channel) {
      const Place distance{row, channel};
      const auto hits = std::count_if(sample.begin(), sample.end(), [&](const Place& place) {
        return wrong.holds_in_all(place, moved(place, distance));
      });
      if (static_cast<std::size_t>(hits) * least_part >= size) distances.push_back(distance);
    }
  return distances;
}

// Places in sets of rows with the same channels
std::map<std::vector<Index>, std::vector<Index>> rows_by_channels(const std::vector<Place>& places) {
  std::map<Index, std::vector<Index>> channels_of;
  for (const Place& place : places) channels_of[place.row].push_back(place.channel);
  std::map<std::vector<Index>, std::vector<Index>> rows_of;
  for (auto& [row, channels] : channels_of) {
    std::sort(channels.begin(), channels.end());
    rows_of[channels].push_back(row);
  }
  return rows_of;
}

std::vector<Finding> findings_of(const WrongElements& wrong, const std::vector<Place>& places,
                                 const Finding& finding) {
  std::vector<Finding> findings;
  for (const auto& [channels, rows] : rows_by_channels(places)) {
    findings.push_back(finding);
    findings.back().indices["channels"] = channels;
    for (const WrongHead& head : wrong.heads) findings.back().where.push_back({head.b, head.h, rows});
  }
  return findings;
}

}  // namespace

// All wrong elements are right ones of other channels, at few distances, or 0
bool find_moved_channels(ExaminationState& state) {
  constexpr std::size_t most_findings = 8, fewest_elements = 12;
  const WrongElements wrong(state);
  if (wrong.places.size() * wrong.heads.size() < fewest_elements) return true;

  // The distance of most places first
  std::vector<Place> left = wrong.places;
  std::vector<std::pair<Place, std::vector<Place>>> places_of;
  for (const Place& distance : likely_distances(wrong)) {
    std::vector<Place> places;
    for (const Place& place : wrong.places)
      if (wrong.holds_in_all(place, moved(place, distance))) places.push_back(place);
    places_of.emplace_back(distance, places);
  }
  std::stable_sort(places_of.begin(), places_of.end(),
                   [](const auto& x, const auto& y) { return x.second.size() > y.second.size(); });
  std::vector<Finding> findings;
  bool channels_move = false;
  for (const auto& [distance, places] : places_of) {
    std::vector<Place> of_distance, others;
    std::set_intersection(left.begin(), left.end(), places.begin(), places.end(),
                          std::back_inserter(of_distance));
    if (of_distance.empty()) continue;
    std::set_difference(left.begin(), left.end(), places.begin(), places.end(), std::back_inserter(others));
    left = others;
    channels_move |= distance.channel != 0;
    const std::map<std::string, double> numbers{{"rows", static_cast<double>(distance.row)},
                                                {"channels", static_cast<double>(distance.channel)}};
    for (Finding& finding : findings_of(wrong, of_distance, {.kind = channels_moved, .numbers = numbers}))
      findings.push_back(finding);
  }
  for (Finding& finding : findings_of(wrong, wrong.zeros, {.kind = channels_differ, .subject = "zero"}))
    findings.push_back(finding);
  if (!left.empty() || !channels_move || findings.size() > most_findings) return true;
  for (const Finding& finding : findings) state.findings.add(finding);
  return false;
}

}  // namespace ringattn
