import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * What a careful person would write by hand in Java: the plain consumer, Jackson's streaming parser, the reference's own
 * bins by binary search, sums for mean and deviation, category counts, per pane of five minutes.
 *
 * <p>BenchConsumer BROKERS TOPIC PARTITIONS EVENTS REFERENCE.json|count
 */
public final class BenchConsumer {
  private static final long PANE_MS = 300_000;

  /** Counters of one numeric feature in one pane. */
  private static final class Numeric {
    final double[] edges;
    final int[] bins;
    long count;
    double sum;
    double squares;

    Numeric(double[] edges) {
      this.edges = edges;
      this.bins = new int[edges.length + 1];
    }

    void add(double value) {
      int at = Arrays.binarySearch(edges, value);
      bins[at >= 0 ? at : -at - 1]++;
      count++;
      sum += value;
      squares += value * value;
    }
  }

  private static final class Pane {
    final Map<String, Numeric> numeric = new HashMap<>();
    final Map<String, Map<String, int[]>> categories = new HashMap<>();
    long events;
  }

  private final Map<String, double[]> edges = new HashMap<>();
  private final Map<Long, Pane> panes = new HashMap<>();
  private final JsonFactory factory = new JsonFactory();

  private Pane paneOf(long ts) {
    return panes.computeIfAbsent(ts / PANE_MS, key -> {
      Pane pane = new Pane();
      edges.forEach((name, values) -> pane.numeric.put(name, new Numeric(values)));
      return pane;
    });
  }

  private void features(JsonParser parser, Pane pane) throws IOException {
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      String name = parser.currentName();
      if (parser.nextToken().isNumeric()) {
        Numeric numeric = pane.numeric.get(name);
        if (numeric != null) {
          numeric.add(parser.getDoubleValue());
        }
      } else {
        pane.categories.computeIfAbsent(name, key -> new HashMap<>())
            .computeIfAbsent(parser.getText(), key -> new int[1])[0]++;
      }
    }
  }

  private void event(byte[] bytes) throws IOException {
    Pane pane = null;
    try (JsonParser parser = factory.createParser(bytes)) {
      parser.nextToken();
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        String name = parser.currentName();
        JsonToken token = parser.nextToken();
        if (name.equals("ts")) {
          pane = paneOf(parser.getLongValue());
          pane.events++;
        } else if (name.equals("features")) {
          features(parser, pane);
        } else if (name.equals("score") || name.equals("prediction")) {
          Numeric numeric = pane.numeric.get("@" + name);
          if (numeric != null) {
            numeric.add(parser.getDoubleValue());
          }
        } else if (token == JsonToken.START_OBJECT) {
          parser.skipChildren();
        }
      }
    }
  }

  private static long cpuNanos() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  private void reference(String path) throws IOException {
    JsonNode features = new ObjectMapper().readTree(new File(path)).get("features");
    features.fields().forEachRemaining(feature -> {
      JsonNode all = feature.getValue().get("edges");
      if (all != null) {
        double[] values = new double[all.size()];
        for (int i = 0; i < values.length; i++) {
          values[i] = all.get(i).asDouble();
        }
        edges.put(feature.getKey(), values);
      }
    });
  }

  private void run(String[] args) throws IOException {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", args[0]);
    properties.put("key.deserializer", ByteArrayDeserializer.class.getName());
    properties.put("value.deserializer", ByteArrayDeserializer.class.getName());
    properties.put("enable.auto.commit", "false");
    properties.put("max.poll.records", "4096");
    properties.put("isolation.level", "read_committed");
    long wanted = Long.parseLong(args[3]);
    boolean countOnly = args[4].equals("count");
    if (!countOnly) {
      reference(args[4]);
    }
    try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties)) {
      List<TopicPartition> partitions = new ArrayList<>();
      for (int i = 0; i < Integer.parseInt(args[2]); i++) {
        partitions.add(new TopicPartition(args[1], i));
      }
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      long seen = 0;
      long begin = 0;
      while (seen < wanted) {
        ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
        if (seen == 0) {
          begin = cpuNanos();
        }
        for (ConsumerRecord<byte[], byte[]> record : records) {
          if (!countOnly) {
            event(record.value());
          }
          seen++;
        }
      }
      long counted = countOnly ? seen : panes.values().stream().mapToLong(pane -> pane.events).sum();
      System.out.printf("{\"cpu_s\":%.6f,\"events\":%d}%n", (cpuNanos() - begin) / 1e9, counted);
    }
  }

  public static void main(String[] args) throws IOException {
    new BenchConsumer().run(args);
  }
}
