#include "timeline.h"

#include <algorithm>

namespace hostsim {
namespace {

void Merge(Timeline::Point& into, const Timeline::Point& later) {
  into.until = later.until;
  into.samples += later.samples;
  into.ended += later.ended;
  into.in_flight.Add(later.in_flight);
  into.pools.resize(std::max(into.pools.size(), later.pools.size()));
  for (std::size_t i = 0; i < later.pools.size(); ++i) {
    into.pools[i].running.Add(later.pools[i].running);
    into.pools[i].queued.Add(later.pools[i].queued);
    into.pools[i].suspended.Add(later.pools[i].suspended);
  }
}

}  // namespace

void Timeline::Add(const Sample& sample) {
  Point point;
  point.until = sample.seconds;
  point.samples = 1;
  point.ended = sample.ended - ended_;
  ended_ = sample.ended;
  // Counted one after the other: never below zero.
  point.in_flight.Add(static_cast<double>(
      sample.started - std::min(sample.started, sample.ended)));
  for (const PoolSample& pool : sample.pools) {
    PoolPoint& out = point.pools.emplace_back();
    out.running.Add(static_cast<double>(pool.running));
    out.queued.Add(static_cast<double>(pool.queued));
    out.suspended.Add(static_cast<double>(pool.suspended));
  }
  if (points_.size() == kMostPoints) Halve();
  // A late timer's sample stands for the longer time it took.
  points_.push_back(std::move(point));
}

void Timeline::Halve() {
  for (std::size_t i = 0; 2 * i < points_.size(); ++i) {
    Point merged = std::move(points_[2 * i]);
    Merge(merged, points_[2 * i + 1]);
    points_[i] = std::move(merged);
  }
  points_.resize(points_.size() / 2);
  interval_ *= 2;
}

}  // namespace hostsim
