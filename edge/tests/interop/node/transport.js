"use strict";
// The transports of the device SDK by name.

const { Amqp, AmqpWs } = require("azure-iot-device-amqp");
const { Http } = require("azure-iot-device-http");
const { Mqtt, MqttWs } = require("azure-iot-device-mqtt");

/** The transport that a script was asked for; MQTT unless it was. */
exports.transport = (name = "mqtt") =>
  ({
    mqtt: Mqtt,
    ws: MqttWs,
    websocket: MqttWs,
    amqp: Amqp,
    "amqp-websocket": AmqpWs,
    http: Http,
  })[name];
