// What one run through the network does with its batch norms and its dropout: four questions, four fields, at every
// call.
#pragma once

#include <array>
#include <initializer_list>
#include <limits>

#include <advprop/core/error.hpp>
#include <advprop/core/spec.hpp>
#include <advprop/domains/domain.hpp>

namespace advprop {

/// `count` consecutive images of a batch, the domain that normalises them, and the weight of their mean loss.
struct part {
  advprop::domain domain = main_domain;
  int count = 0;
  float weight = 1;
};

/// How the images of a batch are shared out among domains: contiguous parts of any sizes, in order.
/// Neighbouring parts of one domain are normalised together, as one batch.
class routing {
 public:
  static constexpr int limit = 16;

  /// The whole batch, however large, goes to one domain.
  // NOLINTNEXTLINE: a domain is a route
  constexpr routing(domain d) : parts_{}, size_(1), whole_(true) { parts_[0].domain = d; }
  constexpr routing(std::initializer_list<part> parts) : parts_{}, size_(0), whole_(false) {
    for (const part& p : parts) push(p);
  }
  constexpr routing() : parts_{}, size_(0), whole_(false) {}

  /// Throws `argument_error` for an empty part, a weight that is not finite, too many parts, or a domain that comes
  /// back after another one.
  constexpr void push(part p) {
    constexpr float most = std::numeric_limits<float>::max();
    if (p.count < 1) fail<argument_error>("routing: part ", size_, " has ", p.count, " images");
    if (!(p.weight >= -most && p.weight <= most))
      fail<argument_error>("routing: the weight of part ", size_, " is ", p.weight);
    if (size_ == limit) fail<argument_error>("routing: more than ", limit, " parts");
    for (int i = 0; i + 1 < size_; ++i)
      if (parts_[static_cast<std::size_t>(i)].domain == p.domain && !(back().domain == p.domain))
        fail<argument_error>("routing: the parts of domain ", p.domain.index(), " are not next to each other");
    parts_[static_cast<std::size_t>(size_++)] = p;
  }

  /// The parts for a batch of that many images. Throws `argument_error` when the counts do not add up to it.
  constexpr routing resolve(int batch) const {
    routing r = *this;
    if (whole_) {
      r.parts_[0].count = batch;
      r.whole_ = false;
    }
    int total = 0;
    for (const part& p : r) total += p.count;
    if (total != batch) fail<argument_error>("routing: parts hold ", total, " images, the batch ", batch);
    return r;
  }

  /// The parts as batch norms see them: neighbours of one domain merged.
  constexpr routing merged() const {
    routing r;
    for (const part& p : *this) {
      if (r.size_ > 0 && r.back().domain == p.domain)
        r.back().count += p.count;
      else
        r.push(p);
    }
    return r;
  }

  constexpr int size() const { return size_; }
  constexpr const part* begin() const { return parts_.data(); }
  constexpr const part* end() const { return parts_.data() + size_; }

 private:
  constexpr part& back() { return parts_[static_cast<std::size_t>(size_ - 1)]; }
  std::array<part, limit> parts_;
  int size_;
  bool whole_;
};

/// One run through the network. A model has no train or evaluation mode; the caller says what it wants.
struct pass {
  routing route;      ///< which domain
  statistics source;  ///< which mean and variance normalise
  bool update;        ///< do the running statistics learn from this batch
  bool drop;          ///< are dropout and stochastic depth on

  /// All four: one that is left out would mean batch statistics, or no dropout, without a word.
  constexpr pass(routing r, statistics s, bool updates, bool drops)
      : route(r), source(s), update(updates), drop(drops) {}

  /// Batch statistics, running ones updated, dropout on.
  static constexpr pass train(routing r) { return {r, statistics::batch, true, true}; }
  /// Nothing is updated. Running statistics are what the AdvProp authors' own code attacks through.
  static constexpr pass attack(routing r, statistics s = statistics::running, bool drop = false) {
    return {r, s, false, drop};
  }
  static constexpr pass evaluate(routing r = main_domain) { return {r, statistics::running, false, false}; }
};

}  // namespace advprop
