// Work that is done again and again, as a device does that best.
#pragma once

#include <span>

namespace advprop {

/// Whether a device is writing operations down instead of doing them; then no loss can be read yet.
template <class Device>
bool recording(Device& d) {
  if constexpr (requires { d.recording(); })
    return d.recording();
  else
    return false;
}

/// The same operations many times, with other numbers: `run` calls f. A device that has a `recording_type` may write
/// f's operations down once, and from then on do them with what has changed. The result is a number of the call for the
/// device's `wait`: operations may be queued while those before are still being done.
template <class Device>
class repeated {
 public:
  template <class F>
  long run(Device&, F&& f) {
    f();
    return 0;
  }
};
template <class Device>
  requires requires { typename Device::recording_type; }
class repeated<Device> {
 public:
  template <class F>
  long run(Device& d, F&& f) {
    return d.replay(recording_, f);
  }

 private:
  typename Device::recording_type recording_;
};

/// Holds back all updates once a watched number is not finite, where updates are queued before the host can look.
/// Elsewhere there is nothing to do.
template <class Device>
struct update_guard {
  explicit update_guard(Device&) {}
  void watch(const float*) {}
};
template <class Device>
  requires requires { typename Device::update_guard_type; }
struct update_guard<Device> : Device::update_guard_type {
  using Device::update_guard_type::update_guard_type;
};

/// Numbers of the host's, where the device reads them best, for operations until the next call: brought there while it
/// is at work, where that is elsewhere.
template <class Device>
struct staging {
  explicit staging(Device&) {}
  std::span<const float> bring(std::span<const float> from) { return from; }
};
template <class Device>
  requires requires { typename Device::staging_type; }
struct staging<Device> : Device::staging_type {
  using Device::staging_type::staging_type;
};

}  // namespace advprop
