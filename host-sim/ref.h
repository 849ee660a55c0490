// Shared ownership of the objects that Lua userdata points at.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace hostsim {

// Counts its owners: the session on its loop, and every userdata.  The count
// may change on any thread; the object itself is only touched with the turn of
// its Lua state held, and destroyed by whoever lets go last: then no userdata
// is left, so nobody else can be looking.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  // Orders nothing: the caller has a reference already.
  void AddRef() const noexcept {
    refs_.fetch_add(1, std::memory_order_relaxed);
  }
  // acq_rel: what every owner did is visible to the one that destroys.
  void Release() const noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 protected:
  virtual ~RefCounted() = default;

 private:
  mutable std::atomic<std::uint32_t> refs_{0};
};

template <typename T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* object) : object_(object) {
    if (object_) object_->AddRef();
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_) object_->Release();
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

}  // namespace hostsim
