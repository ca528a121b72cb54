// An examination as an HTML page, with pictures of the measured weights.

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "reference/oracle/report/examination_report.h"
#include "reference/oracle/report/finding_text.h"

namespace ringattn {

namespace {

constexpr Index most_cells = 48;  // along each side of a picture: longer sequences share cells
constexpr int cell = 6;           // width and height in pixels
constexpr std::size_t most_heads = 4;

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text)
    result += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  return result;
}

// From white to blue: the share of the largest weight of the row, to the power 1/2
std::string colour_of(double share) {
  const double depth = std::sqrt(std::clamp(share, 0.0, 1.0));
  const auto channel = [depth](int full) {
    return 255 - static_cast<int>(std::lround(depth * (255 - full)));
  };
  return fmt::format("#{:02x}{:02x}{:02x}", channel(0x1e), channel(0x57), channel(0xde));
}

// The largest weight of each cell; a cell that holds a weight which is not finite or negative is red
std::string picture(const Matrix<double>& weights, const std::string& caption) {
  const Index rows = std::min(most_cells, weights.rows()), keys = std::min(most_cells, weights.cols());
  std::string squares;
  for (Index r = 0; r < rows; ++r)
    for (Index c = 0; c < keys; ++c) {
      const RowRange i = chunk(r, rows, weights.rows()), j = chunk(c, keys, weights.cols());
      double share = 0;
      bool odd = false;
      for (Index row = i.begin; row < i.end; ++row)
        for (Index key = j.begin; key < j.end; ++key) {
          const double largest = weights.row(row).maxCoeff(), w = weights(row, key);
          odd |= !(w >= 0);
          share = std::max(share, largest > 0 ? w / largest : 0);
        }
      if (share == 0 && !odd) continue;
      squares += fmt::format(R"(<rect x="{}" y="{}" width="{}" height="{}" fill="{}"/>)", c * cell, r * cell,
                             cell, cell, odd ? "#c81e1e" : colour_of(share));
    }
  return fmt::format(
      R"(<figure style="display:inline-block;margin:4px"><figcaption>{}</figcaption>)"
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}" style="border:1px solid #cbd1db">)"
      R"({}</svg></figure>)",
      escaped(caption), keys * cell, rows * cell, squares);
}

// The heads of the findings, in their order; the first head if there are none
std::vector<std::pair<Index, Index>> shown_heads(const Examination& examination) {
  std::vector<std::pair<Index, Index>> heads;
  const auto add = [&](Index b, Index h) {
    if (heads.size() < most_heads && std::find(heads.begin(), heads.end(), std::pair{b, h}) == heads.end())
      heads.emplace_back(b, h);
  };
  for (const Finding& finding : examination.findings)
    if (!finding.where.empty()) add(finding.where[0].b, finding.where[0].h);
  if (heads.empty()) add(0, 0);
  return heads;
}

}  // namespace

std::string to_html(const ExaminedAttention& attention, const Examination& examination) {
  std::string html =
      fmt::format("<div><pre style=\"line-height:1.2\">{}</pre>", escaped(to_text(attention, examination)));
  if (!examination.measured()) return html + "</div>\n";
  html +=
      "<p>Weights, rows down and keys across, each row as a share of its largest weight; red: negative</p>";
  for (const auto& [b, h] : shown_heads(examination)) {
    const HeadReadout& head = examination.heads(b, h);
    const std::string place =
        (attention.q.B > 1 ? fmt::format("sequence {}, ", b) : "") + fmt::format("query head {}", h);
    html += "<div>" + picture(head.varied.found, place + ": measured") + picture(head.varied.right, "right") +
            "</div>";
  }
  return html + "</div>\n";
}

}  // namespace ringattn
