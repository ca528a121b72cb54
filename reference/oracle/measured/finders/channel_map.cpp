#include "reference/oracle/measured/finders/channel_map.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "reference/oracle/error_bound/distance.h"

namespace ringattn {

namespace {

constexpr std::size_t rows_to_map = 8, least_rows_of_map = 4;

// The channel, and the sign, that a channel holds
struct ChannelSource {
  Index channel = 0;
  int sign = 1;
};

Vector<double> mapped(const RecordedTensor& t, const ElementIndex& p, const std::vector<Index>& channels,
                      const std::vector<ChannelSource>& sources) {
  Vector<double> values = t.truth.head(p.b, p.h).row(p.s).transpose();
  for (std::size_t n = 0; n < channels.size(); ++n)
    values(channels[n]) = sources[n].sign * t.truth(p.b, p.s, p.h, sources[n].channel);
  return values;
}

// Whether some rows hold, in channel d, what is in the source
bool holds(const RecordedTensor& t, const WrongPart& part, const std::vector<std::size_t>& rows, Index d,
           const ChannelSource& source) {
  return std::all_of(rows.begin(), rows.end(), [&](std::size_t n) {
    Vector<double> values = t.truth.head(part.rows[n].b, part.rows[n].h).row(part.rows[n].s).transpose();
    values(d) = source.sign * values(source.channel);
    return row_distance(t, part.rows[n], values, {d}) <= largest_explained_error;
  });
}

// The source of each channel of the part; empty if a channel has none
std::vector<ChannelSource> sources_of(const RecordedTensor& t, const WrongPart& part,
                                      const std::vector<std::size_t>& rows) {
  std::vector<ChannelSource> sources;
  for (const Index d : part.channels) {
    const std::size_t known = sources.size();
    if (holds(t, part, rows, d, {d, 1})) sources.push_back({d, 1});
    for (Index other = 0; other < t.shape().D && sources.size() == known; ++other)
      for (const int sign : {1, -1})
        if (sources.size() == known && holds(t, part, rows, d, {other, sign}))
          sources.push_back({other, sign});
    if (sources.size() == known) return {};
  }
  return sources;
}

// "12 <- 13, 13 <- -12"
std::string map_text(const std::vector<Index>& channels, const std::vector<ChannelSource>& sources) {
  constexpr std::size_t most = 8;
  std::string text;
  std::size_t listed = 0;
  for (std::size_t n = 0; n < channels.size(); ++n) {
    if (sources[n].channel == channels[n] && sources[n].sign == 1) continue;
    if (listed++ == most) return text + ", ...";
    text += (text.empty() ? "" : ", ") + std::to_string(channels[n]) + " <- " +
            (sources[n].sign < 0 ? "-" : "") + std::to_string(sources[n].channel);
  }
  return text;
}

}  // namespace

void find_channel_map(const RecordedTensor& t, const WrongPart& part, Explanations& explanations) {
  if (t.shape().D == 1) return;
  for (const auto& [head, rows] : unexplained_rows(part, explanations)) {
    if (rows.size() < least_rows_of_map) continue;
    const std::vector<ChannelSource> sources = sources_of(t, part, some_of(rows, rows_to_map));
    if (sources.empty()) continue;
    for (const std::size_t n : rows) {
      const ElementIndex& row = part.rows[n];
      if (!(row_distance(t, row, mapped(t, row, part.channels, sources), part.channels) <=
            largest_explained_error))
        continue;
      explanations[n] = {
          "channels",
          "hold the values of other channels: " + map_text(part.channels, sources),
          "Check the order of the channels: interleaved or in halves, and the stride of a row.",
          "",
          evidence_of_agreement(t, row, part.channels),
          std::pow(2.0 * static_cast<double>(t.shape().D),
                   std::min<double>(static_cast<double>(part.channels.size()), 100))};
    }
  }
}

}  // namespace ringattn
