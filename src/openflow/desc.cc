#include "openflow/desc.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kRequest[] = {{"OFPST_DESC request", Frame::Request, 0, 0, k10, k10, 12, 0},
                                 {"OFPST_DESC request", Frame::Request, 0, 0, k11, k15, 16, 0}};
constexpr WireForm kReply[] = {{"OFPST_DESC reply", Frame::Reply, 0, 0, k10, k10, 1068, 0},
                               {"OFPST_DESC reply", Frame::Reply, 0, 0, k11, k15, 1072, 0}};
constexpr std::size_t kTextBytes = 256, kSerialBytes = 32;

}  // namespace

std::span<const WireForm> DescRequest::wire_forms() {
  return kRequest;
}
std::span<const WireForm> DescReply::wire_forms() {
  return kReply;
}

Status DescReply::decode(ByteReader& body, const DecodeContext&, DescReply& out) {
  out.manufacturer = take_text(body, kTextBytes);
  out.hardware = take_text(body, kTextBytes);
  out.software = take_text(body, kTextBytes);
  out.serial = take_text(body, kSerialBytes);
  out.datapath = take_text(body, kTextBytes);
  return finished(body, "description");
}
void DescReply::encode(Encoder& out) const {
  out.text(manufacturer, kTextBytes);
  out.text(hardware, kTextBytes);
  out.text(software, kTextBytes);
  out.text(serial, kSerialBytes);
  out.text(datapath, kTextBytes);
}
void DescReply::format(Printer& out) const {
  out.put("\nManufacturer: {}\nHardware: {}\nSoftware: {}\nSerial Num: {}\nDP Description: {}\n",
          manufacturer, hardware, software, serial, datapath);
}

}  // namespace sluice::openflow
