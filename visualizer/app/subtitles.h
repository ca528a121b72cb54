#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ringattn::viz {

// The subtitles of a movie, one after the other, as a SubRip file (.srt).
class Subtitles {
 public:
  // Ends the subtitle before, and begins one
  void begin(double seconds, const std::string& text);
  void end(double seconds);
  bool empty() const { return all_.empty(); }

  // Throws BadInput if the file cannot be written
  void write(const std::filesystem::path& path) const;

 private:
  struct Subtitle {
    double begin, end;
    std::string text;
  };
  std::vector<Subtitle> all_;
};

}  // namespace ringattn::viz
