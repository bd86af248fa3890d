// Work that is done again and again, as a device does that best.
#pragma once

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
/// f's operations down once, and from then on do them with what has changed.
template <class Device>
class repeated {
 public:
  template <class F>
  void run(Device&, F&& f) {
    f();
  }
};
template <class Device>
  requires requires { typename Device::recording_type; }
class repeated<Device> {
 public:
  template <class F>
  void run(Device& d, F&& f) {
    d.replay(recording_, f);
  }

 private:
  typename Device::recording_type recording_;
};

}  // namespace advprop
