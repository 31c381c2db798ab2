using System.Runtime.Intrinsics;
using MsResampler.Cpu;
using MsResampler.Cpu.Simd;

namespace MsResampler.Training.Passes;

/// <summary>The forward and the backward pass of a model, with the memory that they keep.</summary>
internal abstract unsafe class TrainingPass
{
    /// <summary>Memory of activations and gradients, in bytes.</summary>
    public abstract long WorkspaceBytes { get; }

    /// <summary>The pass with the kernels of an instruction set.</summary>
    /// <param name="variant">The instruction set.</param>
    /// <param name="parts">The model.</param>
    /// <param name="workers">The threads.</param>
    /// <param name="absorbs">See <see cref="TrainerOptions.Absorbs"/>.</param>
    public static TrainingPass Create(CpuVariant variant, ModelParts parts, WorkerPool workers, bool? absorbs)
        => variant.Name switch
        {
            "avx512" => new VectorTrainingPass<Simd512, Vector512<float>>(parts, workers, absorbs),
            "avx2" => new VectorTrainingPass<Simd256, Vector256<float>>(parts, workers, absorbs),
            "vector128" => new VectorTrainingPass<Simd128, Vector128<float>>(parts, workers, absorbs),
            "scalar" => new VectorTrainingPass<SimdScalar, float>(parts, workers, absorbs),
            _ => throw new NotSupportedException($"{variant.Name}: expected an instruction set that training supports"),
        };

    /// <summary>The floats that a batch needs for activations, and for gradients of activations except those of the
    /// features. A forward pass must follow before the next backward pass.</summary>
    public abstract (long Activations, long Gradients) Measure(BatchLayout batch);

    /// <summary>Computes tokens and keeps activations.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="features">The features of all frames, without gaps.</param>
    /// <param name="tokens">Receives the tokens.</param>
    /// <param name="cancellationToken">Cancels the pass within it.</param>
    public abstract void Forward(BatchLayout batch, float* features, float* tokens,
        CancellationToken cancellationToken);

    /// <summary>Adds to the gradients of the parameters, for the last forward pass.</summary>
    /// <param name="tokenGradients">The gradients of the tokens.</param>
    /// <param name="featureGradients">Receives those of the features; null if they are not needed.</param>
    /// <param name="cancellationToken">Cancels the pass within it.</param>
    public abstract void Backward(float* tokenGradients, float* featureGradients,
        CancellationToken cancellationToken);
}
