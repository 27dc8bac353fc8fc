/// @file
/// The operating system and what it runs in.

#include <array>
#include <utility>

#include "parts.hpp"
#include "text.hpp"

namespace sizer {
inline namespace v0 {
namespace detail {
namespace {

const std::string dmi_folder = "sys/class/dmi/id/";

detected<std::string> os_name(const file_tree& files) {
  const file_text file = files.read("etc/os-release");
  if (!file.ok) return absent<std::string>("/etc/os-release: " + file.problem, "/etc/os-release");
  std::string_view name = value_of(file.text, "PRETTY_NAME", '=');
  if (name.size() >= 2 && (name.front() == '"' || name.front() == '\'') && name.back() == name.front()) {
    name = name.substr(1, name.size() - 2);
  }
  if (shown(name).empty()) return absent<std::string>("/etc/os-release does not state it", "/etc/os-release");
  return found(shown(name), "/etc/os-release");
}

/// Signs that container runtimes leave. Source: systemd, src/basic/virt.c (detect_container).
detected<std::string> container(const file_tree& files) {
  const std::string stated = shown(files.line("run/systemd/container"));
  if (!stated.empty()) return found(stated, "/run/systemd/container");
  if (files.exists("run/.containerenv")) return found(std::string{"podman"}, "/run/.containerenv");
  if (files.exists(".dockerenv")) return found(std::string{"docker"}, "/.dockerenv");
  const std::string groups = files.read("proc/self/cgroup").text;
  for (const std::string_view name : {"kubepods", "docker", "containerd", "lxc"}) {
    if (groups.find(name) != std::string::npos) return found(std::string{name}, "/proc/self/cgroup");
  }
  return found(std::string{"none"}, "no sign of one");
}

/// What firmware calls itself in a virtual machine. Source: systemd, src/basic/virt.c (detect_vm_dmi).
constexpr std::array<std::pair<std::string_view, std::string_view>, 12> vm_names{{
    {"qemu", "qemu"},
    {"kvm", "kvm"},
    {"openstack", "kvm"},
    {"amazon ec2", "amazon"},
    {"google compute engine", "google"},
    {"vmware", "vmware"},
    {"virtualbox", "virtualbox"},
    {"innotek", "virtualbox"},
    {"parallels", "parallels"},
    {"bhyve", "bhyve"},
    {"xen", "xen"},
    {"microsoft corporation virtual machine", "hyper-v"},
}};

detected<std::string> virtual_machine(const file_tree& files, bool wsl) {
  if (wsl) return found(std::string{"hyper-v"}, "/proc/sys/kernel/osrelease");
  const std::string dmi =
      lowered(files.line(dmi_folder + "sys_vendor") + " " + files.line(dmi_folder + "product_name"));
  bool hypervisor = false;
  const file_text info = files.read("proc/cpuinfo");
  for (const std::string_view flag : words(value_of(info.text, "flags"))) hypervisor |= flag == "hypervisor";
  for (const auto& [sign, name] : vm_names) {
    if (dmi.find(sign) != std::string::npos) return found(std::string{name}, "dmi");
  }
  const std::string type = shown(files.line("sys/hypervisor/type"));
  if (!type.empty()) return found(type, "/sys/hypervisor/type");
  if (hypervisor) return found(std::string{"of a kind that does not name itself"}, "/proc/cpuinfo");
  if (!info.ok) return absent<std::string>("/proc/cpuinfo: " + info.problem, "/proc/cpuinfo");
  return found(std::string{"none"}, "no sign of one");
}

}  // namespace

detected_os detect_os(const file_tree& files) {
  detected_os os;
  os.name = os_name(files);
  const std::string release = shown(files.line("proc/sys/kernel/osrelease"));
  const std::string where = "/proc/sys/kernel/osrelease";
  if (release.empty()) {
    os.kernel = absent<std::string>(where + " does not state it", where);
    os.wsl = absent<bool>("the kernel's name is not known", where);
  } else {
    os.kernel = found(release, where);
    os.wsl = found(lowered(release).find("microsoft") != std::string::npos, where);
  }
  os.container = container(files);
  os.virtual_machine = virtual_machine(files, os.wsl.value.value_or(false));
  return os;
}

detected<std::string> detect_product(const file_tree& files) {
  for (const char* const file : {"proc/device-tree/model", "sys/firmware/devicetree/base/model"}) {
    const std::string model = shown(files.line(file));
    if (!model.empty()) return found(model, "device-tree");
  }
  const std::string maker = shown(files.line(dmi_folder + "sys_vendor"));
  const std::string name = shown(files.line(dmi_folder + "product_name"));
  // What boards say whose maker filled in nothing.
  const auto blank = [](const std::string& text) {
    const std::string low = lowered(text);
    return low.empty() || low.starts_with("to be filled") || low.starts_with("system ") || low == "default string" ||
           low == "not specified" || low == "none";
  };
  if (!blank(name)) return found(blank(maker) ? name : maker + " " + name, "dmi");
  const std::string board = shown(files.line(dmi_folder + "board_name"));
  const std::string board_maker = shown(files.line(dmi_folder + "board_vendor"));
  if (!blank(board)) return found(blank(board_maker) ? board : board_maker + " " + board, "dmi");
  return absent<std::string>("the firmware does not state it", "dmi");
}

}  // namespace detail
}  // namespace v0
}  // namespace sizer
