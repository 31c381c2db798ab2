using MsResampler.Cpu;
using MsResampler.Cpu.Integer;
using MsResampler.Model;

namespace MsResampler;

/// <summary>Options of a <see cref="Resampler"/>.</summary>
public sealed record ResamplerOptions
{
    /// <summary>The backend.</summary>
    public Backend Backend { get; init; } = Backend.Cpu;

    /// <summary>Numeric precision. <see cref="Backend.Cpu"/> supports <see cref="Precision.Float32"/> and
    /// <see cref="Precision.Int8"/>; its <see cref="Precision.Auto"/> is <see cref="Precision.Int8"/> for a checkpoint
    /// of integers, and otherwise <see cref="Precision.Float32"/>.</summary>
    public Precision Precision { get; init; }

    /// <summary>The layers whose products use 8-bit integers with <see cref="Precision.Int8"/>; the others use 16 bits.
    /// Layers with 8 bits take half the time and memory of those with 16 bits, and each adds an error to the tokens.
    /// Null stands for the layers that a checkpoint of integers stores with 8 bits, and for
    /// <see cref="ModelLayers.Keys"/> and <see cref="ModelLayers.Gate"/> of other checkpoints. Without
    /// <see cref="Precision.Int8"/> it has no effect.</summary>
    public ModelLayers? Int8Layers { get; init; }

    /// <summary>How the CPU backend keeps weights in memory. <see cref="WeightStorage.AsStored"/> needs
    /// <see cref="Backend.Cpu"/> with <see cref="Precision.Float32"/>.</summary>
    public WeightStorage WeightStorage { get; init; }

    /// <summary>The number of threads of the CPU backend, the calling thread included; 0 for one per processor. It
    /// is limited to the number of processors that the process may use according to its affinity and its container's
    /// quota. <see cref="Resampler.ThreadCount"/> is the resulting number.</summary>
    public int ThreadCount { get; init; }

    /// <summary>The size in bytes of the CPU backend's cache of patch grids, which contains plans, positions, biases
    /// and packed queries. The least recently used grids are evicted first. The newest grid, and grids that running
    /// calls use, stay even if they exceed the limit. The default of 256 MiB is enough for hundreds of grids, or for
    /// a dozen if the queries of a large model have positions. An evicted grid is prepared again when it is next
    /// used.</summary>
    public long GridCacheBytes { get; init; } = 256L << 20;

    /// <summary>Whether calls check the features for NaN and infinity before they compute. If not, a call with such
    /// a feature throws <see cref="ActivationOverflowException"/>, which does not name the feature.</summary>
    public bool ValidateFeatures { get; init; } = true;

    /// <summary>Whether loading also compiles and loads all kernels that the model may need on a GPU, as
    /// <see cref="Resampler.WarmUp(ReadOnlySpan{PatchGrid}, CancellationToken)"/> does without grids. If not, the first
    /// calls do so.</summary>
    public bool WarmUp { get; init; }

    /// <summary>The layout of the model that is loaded; null to recognise it. <see cref="CheckpointLayout.All"/> lists
    /// the layouts.</summary>
    public CheckpointLayout? Layout { get; init; }

    /// <summary>Called with the plan of a patch grid when the grid is used for the first time, and again after it was
    /// evicted from a cache; it must be thread-safe and must not throw. MsResampler.Vision logs plans.</summary>
    internal Action<Planning.ExecutionPlan>? Planned { get; init; }

    /// <summary>The kernel of integer products; null for the fastest one. Only tests set it.</summary>
    internal IntegerKernel? IntegerKernel { get; init; }

    /// <summary>The limit for <see cref="ThreadCount"/>. Only tests set it, to run more threads than
    /// processors.</summary>
    internal int ProcessorCount { get; init; } = Environment.ProcessorCount;

    /// <summary>Creates the threads of the CPU backend, given their number. Only measurements set it, to time
    /// tasks.</summary>
    internal Func<int, WorkerPool> CreateWorkers { get; init; } = static threadCount => new WorkerPool(threadCount);
}
