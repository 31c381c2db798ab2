using System.Diagnostics;
using System.Globalization;
using Prometheus;

namespace MsResampler.Server.Metrics;

/// <summary>The state of the process, read when the metrics are.</summary>
internal static class ProcessMetrics
{
    /// <summary>Adds the metrics to a registry.</summary>
    public static void Add(CollectorRegistry registry)
    {
        MetricFactory factory = Prometheus.Metrics.WithCustomRegistry(registry);
        Gauge resident = factory.CreateGauge("process_resident_memory_bytes", "Memory of the process in RAM");
        Gauge threads = factory.CreateGauge("process_threads", "Number of threads of the process");
        Counter cpu = factory.CreateCounter("process_cpu_seconds_total", "Processor time of the process");
        Gauge start = factory.CreateGauge("process_start_time_seconds", "Start of the process as Unix time");
        Gauge heap = factory.CreateGauge("dotnet_gc_heap_bytes", "Managed memory in use, with garbage");
        Counter pauses = factory.CreateCounter("dotnet_gc_pause_seconds_total", "Pauses for garbage collection");
        Counter collections = factory.CreateCounter("dotnet_gc_collections_total", "Number of garbage collections",
            ["generation"]);
        Gauge poolThreads = factory.CreateGauge("dotnet_threadpool_threads", "Number of threads of the pool");
        Gauge poolQueue = factory.CreateGauge("dotnet_threadpool_queue_length", "Work that waits for the pool");
        using (Process process = Process.GetCurrentProcess())
            start.Set(new DateTimeOffset(process.StartTime).ToUnixTimeMilliseconds() / 1e3);
        registry.AddBeforeCollectCallback(() =>
        {
            using Process process = Process.GetCurrentProcess();
            resident.Set(process.WorkingSet64);
            threads.Set(process.Threads.Count);
            cpu.IncTo(process.TotalProcessorTime.TotalSeconds);
            heap.Set(GC.GetTotalMemory(forceFullCollection: false));
            pauses.IncTo(GC.GetTotalPauseDuration().TotalSeconds);
            for (int generation = 0; generation <= GC.MaxGeneration; generation++)
            {
                collections.WithLabels(generation.ToString(CultureInfo.InvariantCulture))
                    .IncTo(GC.CollectionCount(generation));
            }

            poolThreads.Set(ThreadPool.ThreadCount);
            poolQueue.Set(ThreadPool.PendingWorkItemCount);
        });
    }
}
