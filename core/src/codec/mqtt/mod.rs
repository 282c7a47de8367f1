//! MQTT 3.1.1 control packets.
