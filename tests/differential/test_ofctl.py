"""ovs-ofctl and `sluice` under that name, ovs-vswitchd and sluiced: each of the two clients runs the same commands, one after the
other, against a switch of its own of each kind. Standard output, standard error and exit status are compared with those of
ovs-ofctl at ovs-vswitchd; what a command changed shows in the dumps that follow it."""

import os
import re
import shlex
import subprocess
import time

import pytest

from daemon import BUILD, Sluice
from ovs import Ovs

VERSIONS = ["OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15"]
ARP = "ffffffffffff00000000000108060001080006040001000000000001c0a80001000000000000c0a80002"

FILES = {
    "mixed.flows": "in_port=1,actions=1\n# a comment\n\ndelete in_port=2\nmodify in_port=1,actions=2 # behind\n"
                   "  add table=2,priority=5,ip,actions=output:1\nmodify_strict in_port=1,actions=drop\n",
    "good.flows": "in_port=1,actions=1\nin_port=3,actions=5\nin_port=1,actions=3\npriority=7,tcp,tp_dst=80,actions=1,2\n",
    "other.flows": "cookie=0x5,in_port=1,idle_timeout=9,actions=1\nin_port=4,actions=drop\n"
                   "table=1,priority=7,udp,actions=2\n",
    "registers.flows": "in_port=1,actions=1\nreg0=5,actions=2\ntable=3,reg0=0x10/0xf0,actions=load:5->NXM_NX_REG1[],resubmit(,4)\n",
    "wrong.flows": "in_port=1,actions=1\n\nin_port=1,actions=zoo\n",
    "refused.flows": "in_port=1,actions=1\nin_port=2,actions=group:98\nin_port=3,actions=group:99\n",
    "groups": "group_id=1,type=all,bucket=1\nadd group_id=3,type=all,bucket=1\ndelete group_id=1\n",
    "wrong.groups": "group_id=1,type=all,bucket=1\nin_port=1,actions=2\n",
    "bundle": f"flow in_port=1,actions=1\ngroup group_id=11,type=all,bucket=1\nflow delete in_port=2\n\n"
              f"flow add in_port=3,actions=group:11\npacket-out in_port=1 packet={ARP} actions=2\n"
              "group delete group_id=12\n",
    "wrong.bundle": "flow in_port=1,actions=1\nzoo\n",
    "meter.bundle": "meter add meter=1,kbps,band=type=drop,rate=1\n",
    "refused.bundle": "flow in_port=1,actions=1\nflow in_port=2,actions=group:77\n",
    "changed.flows": "table=5,in_port=6,actions=4\nin_port=1,actions=LOCAL\n",
    "meters": "meter=8,kbps,band=type=drop,rate=1\n",
    "buckets": "group_id=9,command_bucket_id=first,bucket=bucket_id:5,actions=1\n",
    "one.flows": "in_port=2,actions=group:98\n",
    "empty": "",
    "actions10": "0000000800010400\nffff001000002320 0002000000010800\n# none\n\n0000 0008 0001\n00630008 00000000\n",
    "actions13": "0000001000000001ffff000000000000\n00110008 81000000\n0016000800000005\n0000 0008 0001 0400\nzz\n",
    "instructions": "0004001800000000 0000001000000001ffff000000000000\n0001000803000000\n0006000800000005\n"
                    "0001000803000000 0001000804000000\n00630008 00000000\n0002001800000000 0000000000000005 ffffffffffffffff\n",
    "oxm": "in_port=1,tcp,tcp_dst=80\nOXM_OF_ETH_TYPE(0800),OXM_OF_IPV4_SRC_W(0a000000/ff000000)\nNXM_NX_REG0(00000005)\n"
           "OXM_OF_VLAN_VID(1005)\nOXM_OF_ETH_TYPE(08)\nfoo(1)\n# none\n\n<any>\n",
    "nxm": "NXM_OF_IN_PORT(0001),NXM_OF_ETH_TYPE(0800)\nNXM_OF_ETH_TYPE(0800),NXM_OF_IP_SRC_W(01020304/"
           "ff000000)\nNXM_OF_VLAN_TCI_W(1005/1fff)\nNXM_NX_TUN_ID(0000000000000005)\n0a0b(11)\nNXM_OF_IN_PORT(01)\n<any>\n",
    "match10": "003820ff 0000000000000000 000000000000 ffff 00 00 0000 00 00 0000 00000000 00000000 0000 0000\n"
               "003820fe 0001000000000000 000000000000 ffff 00 00 0000 00 00 0000 00000000 00000000 0000 0000\n00\nzz\n"
               "003fc0cf 0001000000000000 000000000000 ffff 00 00 0800 00 06 0000 0a000000 00000000 0000 0050\n",
    "match11": "0000 0058 00000000 000003ff 000000000000ffffffffffff 000000000000ffffffffffff 0000 00 00 0000 00 00 "
               "00000000ffffffff 00000000ffffffff 0000 0000 00000000 00 000000 0000000000000000ffffffffffffffff\n00\n",
    "messages": bytes.fromhex("0100000800000001" "0105000800000002" "0412001000000003" "0003000000000000" "0614000800000004"),
}

# What only looks, with something to see.
SETUP = """
add-flow br0 in_port=1,actions=output:2
add-flow br0 priority=5,ip,nw_src=10.0.0.0/8,actions=output:1,output:2
add-flow br0 cookie=0x1234,idle_timeout=60,hard_timeout=90,priority=9,tcp,tp_dst=80,actions=NORMAL
add-flow br0 send_flow_rem,priority=9,arp,actions=LOCAL
add-group br0 group_id=1,type=all,bucket=output:1,bucket=output:2
add-group br0 group_id=2,type=select,bucket=weight:5,output:1,bucket=weight:6,output:2
add-flow br0 in_port=2,actions=group:1
add-group br0 group_id=3,type=ff,bucket=watch_port:1,output:1,bucket=watch_group:2,output:2
add-group br0 group_id=4,type=select,selection_method=hash,fields(ip_src,tcp_dst),bucket=weight:1,actions=1
add-meter br0 meter=5,pktps,burst,stats,band=type=drop,rate=10,burst_size=5
add-flow br0 priority=6,importance=3,udp,actions=meter:5,output:1
add-flow br0 priority=6,tcp6,tcp_src=0x1000/0xf000,actions=set_field:1->reg3,goto_table:3
add-flow br0 priority=7,udp6,ipv6_src=fc00::/64,actions=write_metadata:0x5/0xf
add-flow br0 table=3,priority=6,ct_state=+trk+new,tcp,actions=ct(commit,zone=3,nat(src=10.0.0.1-10.0.0.9),exec(load:1->NXM_NX_CT_MARK[])),2
add-flow br0 table=3,priority=7,conj_id=5,ip,actions=learn(table=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,4)
add-flow br0 table=4,priority=7,tcp,dl_vlan=5,dl_vlan_pcp=3,actions=strip_vlan,mod_nw_tos:8,dec_ttl,enqueue:1:2,controller(max_len=64)
add-flow br0 table=4,priority=8,ip,nw_ecn=2,nw_ttl=5,actions=clone(mod_dl_src:00:11:22:33:44:55,IN_PORT),FLOOD,ALL
add-flow br0 table=4,priority=9,no_packet_counts,no_byte_counts,reset_counts,mpls,mpls_label=5,actions=clear_actions,write_actions(pop_mpls:0x800,group:3,output:1)
"""
LOOKS = """
show br0
dump-desc br0
dump-tables br0
dump-table-features br0
dump-table-desc br0
get-frags br0
dump-ports br0
dump-ports br0 1
dump-ports br0 p2
dump-ports br0 LOCAL
dump-ports br0 p9
dump-ports br0 77
dump-ports-desc br0
dump-ports-desc br0 1
dump-ports-desc br0 p1
dump-flows br0
dump-flows br0 in_port=1
dump-flows br0 ip
dump-flows br0 table=0,tcp
dump-flows br0 cookie=0x1234/-1
dump-flows br0 out_port=2
dump-flows br0 out_group=1
dump-flows br0 cookie=1
dump-flows br0 priority=1
dump-flows br0 in_port=1,actions=1
dump-flows br0 foo=1
dump-flows br0 foo
--names dump-flows br0
--names dump-flows br0 in_port=p1
--no-names dump-flows br0
--no-names dump-flows br0 in_port=p1
--no-stats dump-flows br0
-m dump-flows br0
--sort dump-flows br0
--rsort dump-flows br0
--rsort=in_port dump-flows br0
--sort=nw_src --rsort=priority dump-flows br0
--sort=foo dump-flows br0
dump-aggregate br0
dump-aggregate br0 ip
queue-stats br0
queue-stats br0 1
queue-stats br0 1 2
queue-stats br0 all all
queue-stats br0 foo
queue-get-config br0
queue-get-config br0 1
--names queue-get-config br0 p1
dump-groups br0
dump-groups br0 1
dump-groups br0 group_id=1
--names dump-groups br0
dump-group-stats br0
dump-group-stats br0 group_id=1
dump-group-stats br0 1
dump-group-features br0
dump-meters br0
dump-meters br0 meter=5
meter-stats br0
meter-features br0
dump-tlv-map br0
dump-ipfix-bridge br0
dump-ipfix-flow br0
probe br0
ping br0
ping br0 10
benchmark br0 10 5
-m -m show br0
dump-flows br0 table=4
dump-flows br0 table=3,ct_state=+trk
dump-flows br0 in_port=LOCAL
dump-flows br0 table=0,out_port=2,ip
dump-flows br0 out_group=3
dump-flows br0 table=300
dump-aggregate br0 table=4,out_port=FLOOD
dump-aggregate br0 out_group=1
dump-aggregate br0 cookie=0x1234/-1
dump-aggregate br0 foo
dump-aggregate br0 in_port=1,actions=1
dump-groups br0 3
dump-groups br0 77
dump-groups br0 all
dump-groups br0 foo
dump-group-stats br0 77
dump-group-stats br0 all
dump-group-stats br0 foo
dump-meter br0 meter=5
dump-meter br0 meter=6
dump-meter br0 meter=all
dump-meter br0 foo
meter-stats br0 meter=5
meter-stats br0 meter=6
meter-stats br0 foo
queue-stats br0 p1
queue-stats br0 77
queue-stats br0 1 99
queue-get-config br0 1 2
queue-get-config br0 ANY
queue-get-config br0 77
queue-get-config br0 foo
dump-ports br0 all
dump-ports-desc br0 LOCAL
dump-ports-desc br0 77
dump-ports-desc br0 foo
dump-table-features br0 1
dump-tlv-map br0 1
"""
CHANGES = """
add-flow br0 in_port=1,actions=output:2
add-flow br0 table=1,in_port=p1,actions=output:p2
add-flow br0 table=1,reg0=1,in_port=2,actions=output:p2
add-flow br0 actions=group:77
add-flow br0 actions=bla
add-flow br0 priority=3,actions=write_actions(output:1)
add-flow br0 check_overlap,ip,actions=1
--no-names add-flow br0 in_port=1,actions=2
--no-names add-flow br0 in_port=p1,actions=2
dump-flows br0
add-flow br0 cookie=0x77,table=5,in_port=6,actions=1
mod-flows br0 table=5,in_port=6,actions=2
dump-flows br0 table=5
mod-flows br0 table=5,cookie=0x77/-1,actions=3
dump-flows br0 table=5
mod-flows br0 in_port=1,actions=3
--strict mod-flows br0 priority=3,actions=3
dump-flows br0
--strict del-flows br0 priority=3
del-flows br0 in_port=1
del-flows br0 priority=3
del-flows br0 cookie=1
dump-flows br0
del-flows br0
add-flows br0 mixed.flows
dump-flows br0
add-flows br0 registers.flows
dump-flows br0
add-flows br0 wrong.flows
add-flows br0 nofile
add-flows br0 refused.flows
dump-flows br0
del-flows br0
replace-flows br0 good.flows
dump-flows br0
replace-flows br0 good.flows
replace-flows br0 other.flows
dump-flows br0
replace-flows br0 wrong.flows
--readd replace-flows br0 good.flows
diff-flows br0 good.flows
diff-flows br0 other.flows
diff-flows good.flows other.flows
--names diff-flows br0 other.flows
diff-flows br0 br0
diff-flows ./nofile br0
del-flows br0
add-group br0 group_id=1,type=all,bucket=1
add-group br0 group_id=1,type=all,bucket=1
mod-group br0 group_id=1,type=select,bucket=1,bucket=2
mod-group br0 group_id=9,type=all,bucket=1
--may-create mod-group br0 group_id=9,type=all,bucket=p1
insert-buckets br0 group_id=9,command_bucket_id=last,bucket=bucket_id:7,actions=2
dump-groups br0
remove-buckets br0 group_id=9,command_bucket_id=7
dump-groups br0
add-groups br0 groups
add-groups br0 wrong.groups
dump-groups br0
del-groups br0 group_id=3
del-groups br0 foo
del-groups br0
add-meter br0 meter=1,pktps,band=type=drop,rate=10
mod-meter br0 meter=1,kbps,burst,stats,band=type=drop,rate=20,burst_size=5
dump-meters br0
dump-meter br0 meter=1
meter-stats br0
meter-stats br0 meter=1
add-meter br0 meter=1,pktps,band=type=drop,rate=10
del-meter br0 meter=1
del-meters br0
dump-meters br0
bundle br0 bundle
dump-flows br0
dump-groups br0
bundle br0 wrong.bundle
bundle br0 meter.bundle
bundle br0 refused.bundle
del-flows br0
del-groups br0
--bundle add-flows br0 mixed.flows
--bundle add-flows br0 refused.flows
--bundle --bundle add-flow br0 in_port=1,actions=2
--bundle mod-flows br0 in_port=1,actions=3
--bundle add-groups br0 groups
--bundle replace-flows br0 good.flows
dump-flows br0
--bundle del-flows br0
--bundle del-groups br0
dump-flows br0
packet-out br0 1 2 ARP
packet-out br0 p1 LOCAL ARP ARP
packet-out br0 "in_port=1 packet=ARP actions=2"
packet-out br0 "in_port=1,packet=ARP,reg0=1,actions=output:2"
packet-out br0 "packet=ARP actions=2"
packet-out br0 "in_port=1 actions=2"
packet-out br0 "in_port=1 packet=zz actions=2"
packet-out br0 "in_port=1 packet=00 actions=2"
packet-out br0 "in_port=1 packet=ARP foo=2 actions=2"
packet-out br0 bla 2 ARP
packet-out br0 1 bla ARP
packet-out br0 1 2 zz
packet-out br0 1 2
dump-ports br0
mod-port br0 1 down
dump-ports-desc br0
mod-port br0 p1 up
mod-port br0 p1 no-flood
mod-port br0 p1 no-forward
dump-ports-desc br0
mod-port br0 p1 forward
mod-port br0 p1 flood
mod-port br0 p1 foo
mod-port br0 pp up
mod-table br0 1 drop
mod-table br0 1 continue
mod-table br0 1 evict
mod-table br0 1 vacancy:20,80
mod-table br0 1 novacancy
mod-table br0 1 noevict
mod-table br0 1 controller
mod-table br0 1 name:first
add-flow br0 table=first,actions=2
--names dump-flows br0
mod-table br0 first name:
mod-table br0 1 blah
mod-table br0 1 vacancy:80,20
mod-table br0 1 vacancy:80
mod-table br0 999 evict
mod-table br0 nosuch drop
set-frags br0 nx-match
get-frags br0
set-frags br0 bla
set-frags br0 normal
add-tlv-map br0 "{class=0xffff,type=0,len=4}->tun_metadata0,{class=0xffff,type=1,len=8}->tun_metadata1"
add-tlv-map br0 "{class=0xffff,type=0,len=4}->tun_metadata0"
dump-tlv-map br0
del-tlv-map br0 "{class=0xffff,type=0,len=4}->tun_metadata0"
dump-tlv-map br0
del-tlv-map br0
add-tlv-map br0 "{class=0xffff,type=0,len=4}"
ct-flush-zone br0 5
ct-flush-zone br0 x
ct-flush br0
ct-flush br0 zone=5
ct-flush br0 zone=5 ct_nw_src=10.0.0.1,ct_nw_proto=6
ct-flush br0 "" ct_nw_src=10.0.0.1,ct_nw_proto=6
ct-flush br0 zone=5 ct_ipv6_src=fc00::1,ct_nw_proto=58,icmp_type=1 ct_ipv6_dst=fc00::2
ct-flush br0 bla
ct-flush br0 zone=x
ct-flush br0 foo=1
ct-flush br0 ct_nw_src=x
ct-flush br0 ct_nw_src=1.1.1.1,ct_ipv6_src=fc00::1
ct-flush br0 ct_nw_src=1.1.1.1,icmp_type=1
ct-flush br0 ct_nw_src=1.1.1.1,ct_tp_src=5
del-flows br0
add-flow br0 send_flow_rem,reset_counts,no_packet_counts,no_byte_counts,importance=5,cookie=9,in_port=1,actions=2
add-flow br0 idle_timeout=600,hard_timeout=700,in_port=2,actions=goto_table:2
add-flow br0 in_port=3,actions=clear_actions,write_actions(output:1),write_metadata:5,goto_table:2
add-flow br0 table=2,tcp,tcp_flags=+syn-ack,actions=ct(table=3,zone=5),2
add-flow br0 table=2,sctp,sctp_dst=5,actions=set_queue:3,output:1,pop_queue,local
add-flow br0 table=2,arp,arp_op=1,arp_spa=10.0.0.0/8,actions=mod_dl_dst:ff:ff:ff:ff:ff:ff,in_port
add-flow br0 table=2,icmp6,icmp_type=135,nd_target=fc00::1,actions=set_field:fc00::2->nd_target,1
add-flow br0 table=2,dl_vlan=5,actions=mod_vlan_vid:7,mod_vlan_pcp:3,1
add-flow br0 table=2,vlan_tci=0x1000/0x1000,actions=push_vlan:0x8100,set_field:0x1005->vlan_vid,1
add-flow br0 table=2,metadata=5/7,tun_id=5,actions=move:NXM_NX_TUN_ID[0..31]->NXM_NX_REG0[],output:NXM_NX_REG0[]
add-flow br0 table=2,ipv6,ipv6_label=5,actions=bundle(eth_src,50,hrw,ofport,1,2),note:01.02
add-flow br0 table=2,udp,nw_frag=later,actions=multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG1[]),1
add-flow br0 table=2,pkt_mark=5,actions=push:NXM_NX_REG1[],pop:NXM_NX_REG2[],exit
add-flow br0 table=2,in_port=99,actions=controller(reason=no_match,id=5,userdata=01.02,pause),2
add-flow br0 table=2,in_port=0,actions=1
add-flow br0 in_port=1,actions=output:99
add-flow br0 in_port=1,actions=output:0xfff0
add-flow br0 in_port=1,actions=TABLE
add-flow br0 in_port=1,actions=resubmit(1,255)
add-flow br0 in_port=1,actions=meter:99
add-flow br0 table=254,actions=1
add-flow br0 table=255,actions=1
add-flow br0 tcp,actions=mod_nw_src:1.2.3.4,fin_timeout(idle_timeout=5),1
add-flow br0 actions=fin_timeout(idle_timeout=5)
add-flow br0 actions=set_field:1.2.3.4->nw_src
add-flow br0 - <good.flows
dump-flows br0
--no-stats dump-flows br0 table=2
dump-aggregate br0
mod-flows br0 - <changed.flows
mod-flows br0 cookie=5/-1,actions=2
mod-flows br0 tcp,actions=goto_table:7
mod-flows br0 actions=zoo
mod-flows br0 in_port=1,actions=group:88
--strict mod-flows br0 in_port=2,actions=
--bundle mod-flows br0 - <changed.flows
--bundle --strict mod-flows br0 in_port=3,actions=LOCAL
dump-flows br0
--strict del-flows br0 in_port=3
--strict del-flows br0 cookie=9/-1,in_port=1
--bundle --strict del-flows br0 table=2,priority=32768,in_port=99
del-flows br0 table=2,out_port=2
del-flows br0 out_group=5
del-flows br0 table=2,tcp
del-flows br0 actions=1
del-flows br0 - <other.flows
del-flows br0 cookie=0/-1,table=2,ip
dump-flows br0
--bundle replace-flows br0 other.flows
--bundle replace-flows br0 wrong.flows
del-flows br0
--bundle replace-flows br0 one.flows
replace-flows br0 one.flows
--bundle --readd replace-flows br0 other.flows
dump-flows br0
replace-flows br0 - <good.flows
--strict diff-flows br0 - <good.flows
diff-flows good.flows br0
replace-flows br0 empty
dump-flows br0
add-group br0 group_id=1,type=select,selection_method=hash,selection_method_param=5,fields(ip_src=255.255.0.0),bucket=weight:3,1
add-group br0 group_id=2,type=select,selection_method=dp_hash,bucket=1
add-group br0 group_id=4,type=ff,bucket=watch_port:1,actions=1,bucket=watch_group:2,2
add-group br0 group_id=5,type=ff,bucket=1
add-group br0 group_id=6,type=indirect,bucket=1
add-group br0 group_id=8,type=all
add-group br0 group_id=9,type=all,bucket=group:2,bucket=group:77
add-group br0 group_id=9,type=all,bucket=group:2
add-group br0 group_id=0xffffff01,type=all,bucket=1
add-group br0 group_id=10,type=all,bucket=resubmit(,2)
add-group br0 group_id=11,type=all,bucket=foo
add-group br0 - <groups
insert-buckets br0 group_id=9,command_bucket_id=first,bucket=bucket_id:5,actions=1
insert-buckets br0 group_id=9,command_bucket_id=5,bucket=bucket_id:6,actions=2
insert-buckets br0 group_id=9,command_bucket_id=99,bucket=bucket_id:8,actions=2
insert-buckets br0 group_id=9,command_bucket_id=all,bucket=bucket_id:8,actions=2
insert-buckets br0 group_id=9,command_bucket_id=last,bucket=bucket_id:5,actions=2
insert-buckets br0 group_id=9,bucket=bucket_id:5,actions=2
insert-buckets br0 group_id=77,command_bucket_id=last,bucket=bucket_id:5,actions=2
insert-buckets br0 - <buckets
dump-groups br0
remove-buckets br0 group_id=9,command_bucket_id=first
remove-buckets br0 group_id=9,command_bucket_id=last
remove-buckets br0 group_id=9,command_bucket_id=99
remove-buckets br0 group_id=77,command_bucket_id=last
remove-buckets br0 group_id=9
remove-buckets br0 group_id=9,command_bucket_id=all
dump-groups br0 9
mod-group br0 - <groups
mod-group br0 group_id=6,type=indirect,bucket=2
mod-group br0 group_id=6,type=zoo,bucket=2
dump-groups br0
dump-group-stats br0
add-flow br0 in_port=5,actions=group:6
del-groups br0 group_id=6
dump-flows br0
del-groups br0 group_id=77
del-groups br0 group_id=all
--bundle add-group br0 group_id=1,type=all,bucket=1
--bundle mod-group br0 group_id=1,type=all,bucket=2
--bundle insert-buckets br0 group_id=1,command_bucket_id=last,bucket=bucket_id:9,actions=1
--bundle mod-group br0 group_id=7,type=all,bucket=2
dump-groups br0
del-groups br0
add-groups br0 nofile
add-groups br0 - <groups
del-groups br0 - <groups
del-groups br0
add-meter br0 meter=1,kbps,burst,band=type=drop,rate=10,burst_size=9
add-meter br0 meter=2,pktps,stats,band=type=drop,rate=10
add-meter br0 meter=controller,pktps,band=type=drop,rate=10
add-meter br0 meter=slowpath,pktps,band=type=drop,rate=10
add-meter br0 - <meters
mod-meter br0 meter=7,pktps,band=type=drop,rate=10
mod-meter br0 foo
add-flow br0 in_port=1,actions=meter:1,2
dump-meters br0
dump-meter br0 meter=2
meter-stats br0
dump-flows br0
del-meter br0 meter=1
del-meter br0 meter=77
del-meter br0 foo
del-meter br0
dump-flows br0
dump-meters br0
del-flows br0
bundle br0 - <bundle
bundle br0 empty
bundle br0 nofile
bundle br0 good.flows
--strict bundle br0 bundle
dump-flows br0
del-flows br0
del-groups br0
packet-out br0 CONTROLLER 1 ARP
packet-out br0 NONE 1 ARP
packet-out br0 LOCAL TABLE ARP
packet-out br0 99 1 ARP
packet-out br0 "in_port=controller packet=ARP actions=set_field:5->reg1,resubmit(,2)"
packet-out br0 "in_port=1 packet=ARP actions=group:77"
packet-out br0 "in_port=1 packet=ARP actions=goto_table:2"
packet-out br0 "in_port=1 packet=ARP actions=output:99"
mod-port br0 p1 no-receive
mod-port br0 p1 no-packet-in
mod-port br0 p1 no-receive-stp
mod-port br0 p1 no-stp
dump-ports-desc br0
show br0
mod-port br0 p1 receive
mod-port br0 p1 packet-in
mod-port br0 p1 receive-stp
mod-port br0 p1 stp
mod-port br0 99 up
mod-port br0 ALL up
mod-table br0 all drop
mod-table br0 all continue
mod-table br0 2 controller
mod-table br0 255 drop
mod-table br0 1 vacancy:20
mod-table br0 1 name:aname-that-is-longer-than-the-thirty-one-bytes-there-are
dump-tables br0
mod-table br0 1 default
mod-table br0 2 default
set-frags br0 drop
get-frags br0
set-frags br0 reassemble
get-frags br0
set-frags br0 normal
add-tlv-map br0 "{class=0x1,type=2,len=128}->tun_metadata5"
add-tlv-map br0 "{class=0x1,type=2,len=4}->tun_metadata6"
add-tlv-map br0 "{class=0x1,type=3,len=3}->tun_metadata6"
add-tlv-map br0 "{class=0x1,type=3,len=132}->tun_metadata6"
add-tlv-map br0 "{class=0x1,type=3,len=4}->tun_metadata64"
add-tlv-map br0 "{class=0x1,type=3,len=4}->tun_metadata5"
add-tlv-map br0 "{class=0x1,type=4,len=124}->tun_metadata7,{class=0x1,type=5,len=124}->tun_metadata8"
add-tlv-map br0 foo
dump-flows br0
dump-tlv-map br0
del-tlv-map br0 "{class=0x1,type=2,len=128}->tun_metadata5"
del-tlv-map br0 "{class=0x9,type=2,len=128}->tun_metadata5"
del-flows br0
del-tlv-map br0 "{class=0x1,type=2,len=128}->tun_metadata5"
del-tlv-map br0 foo
del-tlv-map br0
ct-flush-zone br0 70000
ct-flush br0 ct_nw_src=10.0.0.1 ct_nw_src=10.0.0.2
ct-flush br0 "ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=17,ct_tp_src=1,ct_tp_dst=2" ct_nw_proto=17
"""
# What sluice refuses before it is sent, with a sentence of its own, and ovs-ofctl leaves to the switch.
LEFT_TO_THE_SWITCH = """
add-flow br0 in_port=4,actions=goto_table:0
add-group br0 group_id=1,type=select,selection_method=hash,fields(ip_src,nw_proto),bucket=weight:3,bucket_id:4,actions=1,bucket=bucket_id:4,2
add-group br0 group_id=3,type=select,selection_method=foo,bucket=1
add-group br0 group_id=7,type=indirect
add-meter br0 meter=all,pktps,band=type=drop,rate=10
dump-flows br0
dump-groups br0
"""
# What depends on no version: options, usage, addresses, texts that are refused.
ONCE = """
--option
check-vlan 1005 ffff
check-vlan 0 0
check-vlan 0 ffff
check-vlan 1000 1000
check-vlan 0 1000
check-vlan 1000 1fff
check-vlan 5 fff
check-vlan 1003 10f3
check-vlan 1005
compose-packet tcp,nw_src=1.2.3.4,nw_dst=10.0.0.1,tp_src=5,tp_dst=80
compose-packet tcp,nw_src=1.2.3.4,tp_dst=80 abcdef
compose-packet tcp,nw_src=1.2.3.4,tp_dst=80 ""
compose-packet udp,dl_src=00:11:22:33:44:55,udp_dst=53 "01 02"
compose-packet tcp6,ipv6_src=::5,ipv6_dst=fc00::1
compose-packet icmp,icmp_type=8
compose-packet icmp6
compose-packet ip,nw_proto=3
compose-packet udp,dl_vlan=5,dl_vlan_pcp=3
compose-packet arp,arp_op=1,arp_spa=1.2.3.4,arp_tha=01:02:03:04:05:06
compose-packet dl_type=0x1234
compose-packet in_port=5,tcp,reg0=5
compose-packet tcp zz
compose-packet
compose-packet tcp 00 00
parse-packet
parse-packet x
-F OpenFlow10 add-flow br0 reg1=1,actions=1
-F NXM+table_id add-flow br0 actions=1
-F OXM-OpenFlow12 add-flow br0 actions=1
-F foo add-flow br0 actions=1
-F NXM dump-flows br0
-F NXM+table_id dump-flows br0
-F OpenFlow10 dump-flows br0
-O OpenFlow13 -F OXM-OpenFlow13 dump-flows br0
-O OpenFlow10,OpenFlow13 show br0
-O OpenFlow16 show br0
-O 1.3 get-frags br0
-O OpenFlow12 --bundle add-flow br0 actions=1
del-flows br0
get-frags br3
-O OpenFlow12,OpenFlow14 get-frags br3
-O OpenFlow12,OpenFlow13 get-frags br3
--foo show br0
show
show br0 br1
foo br0
add-flow
add-flow br0
add-flow br0 a b c
packet-out br0
--read-only add-flow br0 actions=1
--read-only get-frags br0
--sort=in_port,nw_src dump-flows br0
-P foo get-frags br0
-P nxm get-frags br0
-t 10 get-frags br0
-t x get-frags br0
--color=foo dump-flows br0
get-frags br0 -O OpenFlow13
get-frags nosuch
get-frags unix:/nonexistent
get-frags tcp:127.0.0.1:1
get-frags bla:foo
get-frags dummy@br0
get-frags RUNDIR/br0.mgmt
get-frags unix:RUNDIR/br0.mgmt
get-frags ./nosuch.mgmt
get-frags /dev/null
probe nosuch
ping br0 70000
snoop nosuch
monitor br0 x
monitor
monitor br0 watch:foo
monitor br0 watch:foo=1
benchmark br0 10 5
"""
# Verbs that need no switch.
OFFLINE = """
parse-flow in_port=1,tcp,tp_dst=80,actions=2
parse-flow in_port=1,actions=zoo
parse-flow table=1,priority=5,cookie=7,idle_timeout=5,importance=9,actions=meter:5,group:3
-O OpenFlow15 parse-flow table=1,priority=5,cookie=7,idle_timeout=5,importance=9,actions=meter:5,group:3
-O OpenFlow13 parse-flow dl_vlan=5,actions=mod_vlan_vid:7,strip_vlan,goto_table:3
-F NXM+table_id parse-flow table=2,actions=1
parse-flow
parse-flow - <good.flows
parse-flows mixed.flows
-O OpenFlow14 parse-flows mixed.flows
-F OXM-OpenFlow13 -O OpenFlow13 parse-flows registers.flows
parse-flows - <registers.flows
parse-flows wrong.flows
parse-flows nofile
parse-flows empty
-O OpenFlow11 parse-group group_id=1,type=all,bucket=1
-O OpenFlow15 parse-group group_id=1,type=select,selection_method=hash,fields(ip_src),bucket=weight:3,actions=1,bucket=2
-O OpenFlow13 parse-group group_id=1,type=foo
-O OpenFlow13 parse-group group_id=1,type=ff,bucket=watch_port:1,1
parse-group group_id=1,type=all,bucket=1
parse-group
parse-actions OpenFlow10 <actions10
parse-actions OpenFlow13 <actions13
parse-actions OpenFlow15 <actions13
parse-actions OpenFlow16 <actions13
parse-actions
parse-instructions OpenFlow13 <instructions
parse-instructions OpenFlow15 <instructions
parse-oxm OpenFlow12 <oxm
parse-oxm OpenFlow15 <oxm
parse-oxm OpenFlow16 <oxm
parse-oxm
parse-nxm <nxm
parse-nx-match <nxm
--strict parse-nxm <nxm
parse-nxm x
parse-ofp10-match <match10
parse-ofp11-match <match11
parse-ofp10-match x
print-error "00 01 00 09"
print-error 0104001400000001000100090104000000000005
print-error 0104
print-error zz
print-error
encode-error-reply OFPBRC_BAD_TYPE 0104000800000005
encode-error-reply OFPBRC_BAD_TYPE 0404000800000005
encode-error-reply NXFMFC_INVALID_TLV_FIELD 0604000800000005
encode-error-reply OFPGMFC_GROUP_EXISTS 0104000800000005
encode-error-reply foo 0104000800000005
encode-error-reply OFPBRC_BAD_TYPE zz
encode-error-reply OFPBRC_BAD_TYPE
encode-hello 0x2
encode-hello 0x12
encode-hello 0x7e
encode-hello
parse-key-value a=b,c d=e(f=g,h),i:j
parse-key-value foo=bar,,x=(y,(z),w)
parse-key-value "a=b c" ""
parse-key-value
ofp-print 0100000800000001
ofp-print "01 00 00 08 00 00 00 01" 2
ofp-print 0103
ofp-print zz
ofp-print 0105000c00000001
ofp-print 041200100000000200040000000000ff
ofp-print
ofp-parse messages
ofp-parse nofile
ofp-parse - <messages
ofp-parse-pcap nofile
ofp-parse-pcap
parse-pcap
list-commands
"""
REFUSED = """
table=300,actions=1
table=x,actions=1
priority=70000,actions=1
priority=,actions=1
ct_state=+foo,actions=1
actions=output
actions=output:foo
tcp,tp_src=100000,actions=1
dl_src=zz,actions=1
nw_src=1.2.3,ip,actions=1
in_port=99999,actions=1
reg0=zz,actions=1
foo=1,actions=1
foo,actions=1
actions=set_field:1->foo
actions=load:1->NXM_FOO
actions=ct(commit,table=0)
table=5,actions=goto_table:3
actions=ct(foo=1)
cookie=1/1,actions=1
out_port=5,actions=1
in_port=1
actions=meter:77
add in_port=2,actions=3
actions=learn(in_port=1,tcp_src=5)
importance=4,actions=1
nw_src=1.2.3.4,actions=1
"""
REFUSED_GROUPS = """
group_id=1,type=foo
group_id=1
type=all
group_id=foo,type=all
group_id=5,type=indirect,bucket=1,bucket=2
group_id=5,type=all,bucket=zoo
"""
REFUSED_METERS = """
meter=0,kbps,band=type=drop,rate=1
meter=5,band=type=drop,rate=1
meter=5,kbps,band=type=foo,rate=1
meter=5,kbps
kbps,band=type=drop,rate=1
foo
"""

MASKS = [
    (re.compile(r"^\d{4}-\d\d-\d\dT[\d:]+Z", re.M), "TIME"),
    (re.compile(r"duration=[0-9.]+s"), "duration=N"),
    (re.compile(r"duration:[0-9.]+s"), "duration:N"),
    (re.compile(r"(idle|hard)_age=\d+, "), ""),
    (re.compile(r"time=[0-9.]+ ms"), "time=N"),
    # Fields of tunnels and of NSH that Sluice does not have.
    (re.compile(r",(erspan_|gtpu_)\{[^}]*\}|,metadata0\.\.\.metadata63| nsh_\{[^}]*\}"), ""),
    # What is logged beside the error.
    (re.compile(r"^TIME\|\d+\|(nx_match|meta_flow|pcap|ofp_\w+)\|WARN\|.*\n([0-9a-f]{8}  .*\n)*", re.M), ""),
    (re.compile(r"Finished in .*"), "Finished"),
    # Whether the peer has closed before it hears that no version is common.
    (re.compile(r"\((Broken pipe|Protocol error|Connection reset by peer)\)"), "(broken)"),
]
# What differs between the switches on purpose, or because they are not the same machine (docs/differences.md).
SWITCH_MASKS = [
    (re.compile(r"addr:[0-9a-f:]{17}|dpid:[0-9a-f]{16}|Software: .*"), "OWN"),
    (re.compile(r"drop=\?, errs=\?"), "drop=0, errs=0"),
    (re.compile(r" +CUSTOM Statistics\n( +[rt]x_\w+=.*\n)+"), ""),
    # Dummy ports of Open vSwitch have a queue 0.
    (re.compile(r"^(  port \S+ queue 0: bytes=|queue 0:).*\n| port=(p?1|p?2|ANY)$|^port=(2|LOCAL)\n", re.M), ""),
    (re.compile(r"\d queues$", re.M), "queues"),
    (re.compile(r"max_groups=0x\w+|max_meter:\d+ max_bands:\d+|band_types: .*|(eviction|vacancy events): .*"), "ABILITY"),
    # OpenFlow 1.1: Open vSwitch does with a table what the table modification before the last one asked for.
    (re.compile(r"^    config=(controller|continue|drop)$", re.M), "    config=MISS"),
    # An error carries the first 64 bytes of the request, or all of it.
    (re.compile(r"(OFPT_ERROR .*\n\w+ )(.*\n)*"), r"\1"),
]


def masked(answer, patterns):
    def mask(text):
        for pattern, replacement in patterns:
            text = pattern.sub(replacement, text)
        return text

    status, *parts = answer
    return status, *(mask(part) for part in parts)


def lines(text):
    return [line for line in text.splitlines() if line.strip()]


NAMED = re.compile(r"p1|p2|LOCAL|names|first|nosuch|bla|diff-flows")


class Client:
    """One of the two programs with a switch and a folder of its own."""

    def __init__(self, program, switch, folder):
        self.program, self.switch, self.folder = program, switch, folder
        self.folder.mkdir()
        for file, text in FILES.items():
            (self.folder / file).write_bytes(text if isinstance(text, bytes) else text.encode())

    def start(self, words):
        """A last word <FILE is the standard input."""
        *options, last = words
        read = last.startswith("<")
        with open(self.folder / last[1:] if read else os.devnull, "rb") as source:
            return subprocess.Popen([self.program, *(options if read else words)], cwd=self.folder,
                                    env={**self.switch.env, "TZ": "UTC"}, stdin=source, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True)

    def finish(self, process):
        out, err = process.communicate(timeout=60)
        return masked((process.returncode, *(text.replace(self.switch.dir, "RUNDIR") for text in (out, err))), MASKS)

    def prepare(self, *words):
        """The real ovs-ofctl, to set up what commands are to find."""
        subprocess.run(["ovs-ofctl", "-O", "OpenFlow15", *words], env=self.switch.env, check=True, capture_output=True, timeout=60)


# Commands of a monitor's control socket; each answer is compared, and at the end all that was printed.
RUNTIME = """
version x
exit x
ofctl/barrier
ofctl/barrier x
ofctl/send 0102000800000005
ofctl/send 0108000800000005
ofctl/send "01 02 00 0c 00 00 00 06 aa bb cc dd" 0102000800000007
ofctl/send 0002000800000005
ofctl/send 01
ofctl/send zz
ofctl/send 0102000800000005 zz
ofctl/send 0102000800000005 0102
ofctl/send 010d001e00000005ffffffffffff0000
ofctl/send 010d002400000005ffffffff00010000ffffffffffff000000000001123400112233
ofctl/send
ofctl/barrier
ofctl/packet-out in_port=1,packet=ARP,actions=controller
ofctl/barrier
ofctl/packet-out "in_port=p1 packet=ARP actions=output:p2"
ofctl/packet-out "in_port=1,reg0=1,packet=ARP actions=output:2"
ofctl/packet-out "in_port=1 packet=ff actions=2"
ofctl/packet-out "in_port=1 packet=ARP actions=bogus"
ofctl/packet-out foo
ofctl/packet-out
ofctl/packet-out a b
ofctl/barrier
ofctl/block
ofctl/block
ofctl/send 0102000800000009
ofctl/unblock
ofctl/unblock
ofctl/barrier
ofctl/set-output-file
ofctl/set-output-file /nonexistent/file
ofctl/set-output-file RUNDIR/second
ofctl/send 010200080000000a
ofctl/barrier
nosuch
exit
"""


def vswitchd():
    switch = Ovs()
    switch.add_bridge("br0", 2)
    every = ",".join(VERSIONS)
    switch.vsctl("set", "bridge", "br0", f"protocols={every}", "other_config:datapath-id=00000000deadbeef",
                 "other_config:hwaddr=aa:55:aa:00:00:01")
    switch.vsctl("add-br", "br3", "--", "set", "bridge", "br3", "datapath_type=dummy", "protocols=OpenFlow13")
    return switch


def sluiced():
    switch = Sluice(2)
    switch.env["OVS_RUNDIR"] = switch.dir
    return switch


class Pairs:
    """The four; the first is whom the others are compared with."""

    def __init__(self, tmp_path):
        link = tmp_path / "ovs-ofctl"
        link.symlink_to(f"{BUILD}/sluice")
        self.clients = []
        for kind, make in (("ovs-vswitchd", vswitchd), ("sluiced", sluiced)):
            for name, program in (("ovs-ofctl", "ovs-ofctl"), ("sluice", str(link))):
                self.clients.append(Client(program, make(), tmp_path / f"{name} at {kind}"))
        self.checked = 0

    def run(self, clients, *words):
        """The answers of each, in order."""
        processes = [c.start([w.replace("RUNDIR", c.switch.dir) for w in words]) for c in clients]
        return [c.finish(p) for c, p in zip(clients, processes)]

    def compare(self, text, *options, unordered=(), clients=None):
        """Runs each line of the text and gives the differences. `unordered` are words of commands whose lines have no order."""
        differences = []
        clients = clients or self.clients
        for line in lines(text):
            words = [word.replace("ARP", ARP) for word in shlex.split(line)]
            # Names cost a description of all tables each time, the more the later the version.
            named = bool(NAMED.search(line)) or "--no-names" not in options
            answers = self.run(clients, *(o for o in options if o != "--no-names" or not named), *words)
            self.checked += 1
            for client, answer in zip(clients[1:], answers[1:]):
                expected = answers[0]
                if isinstance(client.switch, Sluice):
                    expected, answer = masked(expected, SWITCH_MASKS), masked(answer, SWITCH_MASKS)
                if any(word in words for word in unordered):
                    (status, *parts), (ours, *our_parts) = expected, answer
                    expected = (status, *(sorted(part.splitlines()) for part in parts))
                    answer = (ours, *(sorted(part.splitlines()) for part in our_parts))
                if expected != answer:
                    differences.append(f"--- {client.folder.name}: {' '.join([*options, line])}\nexpected: {expected}\n"
                                       f"     got: {answer}")
        return differences

    def close(self):
        for client in self.clients:
            client.switch.close()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    four = Pairs(tmp_path_factory.mktemp("ofctl"))
    yield four
    four.close()


def assert_none(differences):
    assert not differences, f"{len(differences)} answers differ\n" + "\n".join(differences)


@pytest.fixture
def clean(pairs):
    """Switches without flows, groups and meters."""
    for client in pairs.clients:
        for verb in ("del-flows", "del-groups", "del-meters"):
            client.prepare(verb, "br0")
    return pairs


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_switch_tells(clean, version):
    for client in clean.clients:
        for line in lines(SETUP):
            client.prepare(*shlex.split(line))
    assert_none(clean.compare(LOOKS, "-O", version, unordered=("dump-groups", "dump-group-stats", "dump-flows", "dump-ports")))


@pytest.mark.parametrize("version", VERSIONS)
def test_changes(clean, version):
    options = ["-O", version] + (["--no-names"] if version in ("OpenFlow14", "OpenFlow15") else [])
    # The order in which differences, groups, ports and flows of equal tables are told is no promise.
    assert_none(clean.compare(CHANGES, *options, unordered=("diff-flows", "dump-flows", "dump-groups", "dump-group-stats",
                                                            "dump-ports")))


@pytest.mark.parametrize("version", VERSIONS)
def test_what_only_the_switch_refuses(clean, version):
    real = [client for client in clean.clients if client.program == "ovs-ofctl"]
    assert_none(clean.compare(LEFT_TO_THE_SWITCH, "-O", version, unordered=("dump-groups",), clients=real))


def test_options_addresses_and_usage(clean):
    """Of the programs, so at one kind of switch."""
    assert_none(clean.compare(ONCE, clients=clean.clients[:2]))


def test_verbs_without_a_switch(clean):
    assert_none(clean.compare(OFFLINE, clients=clean.clients[:2]))


def runtime(client, options):
    """What a monitor in the background answers to the commands, and what it prints."""
    folder = client.switch.dir
    control = f"{folder}/monitor.ctl"
    with open(f"{folder}/monitor.out", "wb") as out:
        started = subprocess.run([client.program, *options, "monitor", "br0", "65534", "--detach", "--no-chdir", "--pidfile",
                                  "--unixctl=monitor.ctl"], cwd=client.folder, env=client.switch.env, stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=out, timeout=60, check=False)
    assert started.returncode == 0, open(out.name, encoding="utf-8").read()
    assert os.path.exists(f"{folder}/ovs-ofctl.pid")
    answers = []
    blocked = False
    for line in lines(RUNTIME):
        words = shlex.split(line.replace("ARP", ARP).replace("RUNDIR", folder))
        done = appctl(client, control, *words)
        answers.append((line, done.returncode, done.stdout, done.stderr.replace(folder, "RUNDIR")))
        # What is sent is answered before the next is.
        blocked = line == "ofctl/block" or blocked and line != "ofctl/unblock"
        if not blocked and words[0] in ("ofctl/send", "ofctl/packet-out"):
            assert appctl(client, control, "ofctl/barrier").returncode == 0
    wait_until_gone(control)
    wait_until_gone(f"{folder}/ovs-ofctl.pid")
    own_xids = re.compile(r"(OFPT_BARRIER_REPLY|OFPT_PACKET_OUT)(.*) \(xid=0x\w+\)")
    printed = [own_xids.sub(r"\1\2", open(f"{folder}/{name}", encoding="utf-8").read()) for name in ("monitor.out", "second")]
    return answers, printed


def appctl(client, control, *words):
    return subprocess.run(["ovs-appctl", "-t", control, *words], env=client.switch.env, capture_output=True, text=True,
                          timeout=60, check=False)


def wait_until_gone(path):
    end = time.monotonic() + 20
    while os.path.exists(path):
        assert time.monotonic() < end, path
        time.sleep(0.01)


@pytest.mark.parametrize("options", [[], ["-O", "OpenFlow15"], ["-O", "OpenFlow13", "-P", "standard", "-m"]], ids=" ".join)
def test_monitors_obey_their_control_socket(clean, options):
    told = [runtime(client, options) for client in clean.clients]
    for client, (answers, printed) in zip(clean.clients[1:], told[1:]):
        for expected, answer in zip(told[0][0], answers):
            assert answer == expected, client.folder.name
        assert printed == told[0][1], client.folder.name


def test_monitors_in_the_foreground_and_their_ends(clean):
    """Messages go to standard error; a monitor ends with the connection, by a signal, or before it begins."""
    for client in clean.clients:
        folder = client.switch.dir
        process = client.start(["monitor", "br0", "65534", f"--unixctl={folder}/fore.ctl", "watch:"])
        end = time.monotonic() + 20
        while appctl(client, f"{folder}/fore.ctl", "ofctl/barrier").returncode != 0:
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.02)
        client.prepare("add-flow", "br0", "in_port=1,actions=2")
        assert appctl(client, f"{folder}/fore.ctl", "ofctl/barrier").returncode == 0
        process.terminate()
        out, err = process.communicate(timeout=60)
        assert process.returncode == -15, client.folder.name
        assert out.startswith("NXST_FLOW_MONITOR reply"), (client.folder.name, out)
        assert "event=ADDED table=0 cookie=0 in_port=1 actions=output:2" in err, (client.folder.name, err)
        assert "fatal_signal|WARN|terminating with signal 15 (Terminated)" in err
        assert not os.path.exists(f"{folder}/fore.ctl"), client.folder.name
        client.prepare("del-flows", "br0")
    assert_none(clean.compare("""
monitor nosuch --detach --pidfile
dump-flows br0 --detach --pidfile --unixctl=none
""", clients=clean.clients[:2]))


@pytest.mark.parametrize("version", ["OpenFlow10", "OpenFlow14"])
def test_texts_that_are_refused(clean, version):
    differences = []
    for verb, texts in (("add-flow", REFUSED), ("add-group", REFUSED_GROUPS), ("add-meter", REFUSED_METERS)):
        text = "\n".join(f"{verb} br0 {shlex.quote(line)}" for line in lines(texts))
        differences += clean.compare(text, "-O", version)
    assert_none(differences)
