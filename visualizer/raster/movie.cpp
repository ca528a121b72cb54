#include "visualizer/raster/movie.h"

#include <cstdio>
#include <iterator>
#include <sstream>
#include <system_error>
#include <vector>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/files/output_file.h"
#include "visualizer/raster/program_pipe.h"

namespace ringattn::viz {

namespace fs = std::filesystem;

namespace {

constexpr const char* way_out = "give a path that ends in .png, for numbered pictures";

// The encoding options of ffmpeg for a file extension, separated by spaces
std::string encoding(const std::string& ending, const MovieOptions& options) {
  if (ending == ".gif") {
    // Choose the palette for the changing pixels; dithering would make flat colours noisy and files large
    return "-vf fps=" + std::to_string(options.gif_fps) + ",scale='min(iw," +
           std::to_string(options.gif_width) +
           ")':-1:flags=lanczos,split[a][b];[a]palettegen=max_colors=128:stats_mode=diff[p];"
           "[b][p]paletteuse=dither=none:diff_mode=rectangle -loop 0";
  }
  // Players expect even sizes and BT.709 colours
  const std::string colors =
      "-vf crop=trunc(iw/2)*2:trunc(ih/2)*2,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p "
      "-colorspace bt709 -color_primaries bt709 -color_trc bt709 ";
  if (ending == ".mp4") return colors + "-c:v libx264 -preset medium -crf 18 -movflags +faststart";
  return colors + "-c:v libvpx-vp9 -crf 30 -b:v 0 -deadline good -cpu-used 4 -row-mt 1";
}

// ffmpeg opens its standard output by name, because it goes back in the file
std::vector<std::string> ffmpeg_command(const std::string& ending, int width, int height,
                                        const MovieOptions& options) {
  std::istringstream words("ffmpeg -nostdin -loglevel error -y -f rawvideo -pix_fmt rgba -s " +
                           std::to_string(width) + "x" + std::to_string(height) + " -r " +
                           std::to_string(options.fps) + " -i - " + encoding(ending, options) + " -f " +
                           ending.substr(1) + " file:/dev/stdout");
  return {std::istream_iterator<std::string>(words), {}};
}

void check(const MovieOptions& options) {
  require(options.fps >= 1 && options.fps <= 240 && options.gif_fps >= 1 && options.gif_fps <= 50,
          "[movie] a movie must have 1 to 240 pictures per second, a GIF 1 to 50; found ", options.fps,
          " and ", options.gif_fps, "; the defaults are 30 and 15");
  require(options.gif_width >= 64, "[movie] a GIF must be at least 64 pixels wide; found ", options.gif_width,
          "; the default is 960");
}

}  // namespace

// The output of ffmpeg is copied to the target only after success.
struct MovieWriter::Encoder {
  OutputFile target;
  ProgramPipe ffmpeg;

  Encoder(const fs::path& path, const std::string& ending, int width, int height, const MovieOptions& options)
      : target(path), ffmpeg(ffmpeg_command(ending, width, height, options)) {}

  void add(const Image& picture) {
    if (!ffmpeg.write(picture.rgba)) refuse(ffmpeg.finish());
  }

  void finish() {
    if (const int status = ffmpeg.finish(); status != 0) refuse(status);
    ffmpeg.copy_output(target.stream());
    target.commit();
  }

  [[noreturn]] void refuse(int status) const {
    throw BadInput("[movie] ffmpeg did not complete the movie; it exited with status " +
                   std::to_string(status) + " and reported " + in_quotes(ffmpeg.error_output()) +
                   "; correct this, or " + way_out);
  }
};

MovieWriter::MovieWriter(const fs::path& path, int width, int height, const MovieOptions& options)
    : path_(path), width_(width), height_(height) {
  check(options);
  const std::string ending = path.extension().string();
  require(ending == ".mp4" || ending == ".webm" || ending == ".gif" || ending == ".png",
          "[movie] the file name must end in .mp4, .webm, .gif or .png; found ", in_quotes(path.string()),
          "; choose one of these endings");
  if (ending == ".png" || options.pictures) return;
  try {
    encoder_ = std::make_unique<Encoder>(path, ending, width, height, options);
  } catch (const std::system_error& failure) {
    throw BadInput("[movie] " + ending + " requires ffmpeg, which cannot be started (" +
                   failure.code().message() + "); install Debian's package ffmpeg, or " + way_out);
  }
}

MovieWriter::~MovieWriter() = default;

fs::path MovieWriter::picture_path(int number) const {
  char digits[16];
  std::snprintf(digits, sizeof digits, "_%04d.png", number);
  fs::path path = path_;
  return path.replace_filename(path_.stem().string() + digits);
}

void MovieWriter::add(const Image& picture) {
  require(picture.width == width_ && picture.height == height_,
          "[movie] all pictures must have the same size, ", width_, " x ", height_, "; found ", picture.width,
          " x ", picture.height, " for picture ", count_, "; draw all of them on one screen");
  if (encoder_) {
    encoder_->add(picture);
  } else {
    write_png(picture_path(count_), picture);
  }
  ++count_;
}

void MovieWriter::finish() {
  require(count_ > 0,
          "[movie] a movie must have at least one picture; found none; choose a longer part of the run");
  if (encoder_) encoder_->finish();
}

}  // namespace ringattn::viz
