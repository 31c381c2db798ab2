using MsResampler.Cpu;

namespace MsResampler.Training;

/// <summary>Options of a <see cref="ResamplerTrainer"/>.</summary>
public sealed record TrainerOptions
{
    /// <summary>The number of threads, the calling thread included; 0 for one per processor. It is limited to the
    /// number of processors that the process may use. Tokens and gradients have the same bits with any
    /// number.</summary>
    public int ThreadCount { get; init; }

    /// <summary>The limit for <see cref="ThreadCount"/>. Only tests set it, to run more threads than
    /// processors.</summary>
    internal int ProcessorCount { get; init; } = Environment.ProcessorCount;

    /// <summary>The instruction set; null for the choice of <see cref="CpuVariant.Choose"/>. Only tests set
    /// it.</summary>
    internal CpuVariant? Variant { get; init; }

    /// <summary>The place of each patch in the picture, for features in another order: keys get the sine–cosine
    /// embedding of that place, while windows and Gaussians follow the order of the features. Null if the features are
    /// in the order of the picture. All grids then have the same size.</summary>
    internal IReadOnlyList<int>? PatchPlaces { get; init; }

    /// <summary>Whether scopes with windows absorb keys and values where that is possible (null: where it
    /// takes less time). Only tests set it.</summary>
    internal bool? Absorbs { get; init; }

    /// <summary>Creates the threads. Only measurements set it, to time the phases.</summary>
    internal Func<int, WorkerPool> CreateWorkers { get; init; } = threadCount => new WorkerPool(threadCount);
}
