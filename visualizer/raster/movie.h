#pragma once

#include <filesystem>
#include <memory>

#include "visualizer/raster/image.h"

namespace ringattn::viz {

struct MovieOptions {
  int fps = 30;           // input pictures per second
  bool pictures = false;  // numbered PNG files, whatever the extension of the path
  int gif_width = 960;    // maximum width of a GIF in pixels
  int gif_fps = 15;       // pictures per second of a GIF
};

// Makes a movie from pictures of one size: .mp4, .webm or .gif with ffmpeg, or numbered files name_0000.png, ... if the
// path ends in .png. A movie file is replaced as a whole, or left unchanged.
class MovieWriter {
 public:
  // Throws BadInput if the path cannot be written or has an unknown extension, or if ffmpeg is missing
  MovieWriter(const std::filesystem::path& path, int width, int height, const MovieOptions& options = {});
  ~MovieWriter();

  // Appends a picture
  void add(const Image& picture);

  // Completes the movie. Throws BadInput if it cannot be made
  void finish();

  int pictures() const { return count_; }
  // The path of a numbered picture
  std::filesystem::path picture_path(int number) const;

 private:
  struct Encoder;

  std::filesystem::path path_;
  int width_, height_;
  int count_ = 0;
  std::unique_ptr<Encoder> encoder_;  // null: numbered pictures
};

}  // namespace ringattn::viz
