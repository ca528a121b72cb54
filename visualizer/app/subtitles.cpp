#include "visualizer/app/subtitles.h"

#include <cmath>
#include <cstdio>

#include "reference/files/output_file.h"

namespace ringattn::viz {

namespace {

// "00:01:02,345"
std::string time_of(double seconds) {
  const long milliseconds = std::lround(1000 * seconds), whole = milliseconds / 1000;
  char text[40];
  std::snprintf(text, sizeof text, "%02ld:%02ld:%02ld,%03ld", whole / 3600, whole / 60 % 60, whole % 60,
                milliseconds % 1000);
  return text;
}

}  // namespace

void Subtitles::begin(double seconds, const std::string& text) {
  end(seconds);
  all_.push_back({seconds, seconds, text});
}

void Subtitles::end(double seconds) {
  if (!all_.empty()) all_.back().end = seconds;
}

void Subtitles::write(const std::filesystem::path& path) const {
  OutputFile file(path);
  for (std::size_t i = 0; i < all_.size(); ++i)
    file.stream() << i + 1 << "\n"
                  << time_of(all_[i].begin) << " --> " << time_of(all_[i].end) << "\n"
                  << all_[i].text << "\n\n";
  file.commit();
}

}  // namespace ringattn::viz
