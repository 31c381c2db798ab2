using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Forward.Bits16;
using MsResampler.Kernels.Forward.Float32;

namespace MsResampler.Kernels.Forward;

/// <summary>The steps of a forward pass without a device: their names, kernels, launch sizes and work.</summary>
internal static class ForwardSteps
{
    /// <summary>Describes the forward pass of a batch of images or groups of frames of one grid. The steps cannot be
    /// launched.</summary>
    /// <param name="config">The model.</param>
    /// <param name="hasKeyValueInput">Whether it has a kv_proj.</param>
    /// <param name="grid">The patch grid of every frame.</param>
    /// <param name="groupCount">Images or groups of the batch.</param>
    /// <param name="precision">Any precision but <see cref="Precision.Auto"/>.</param>
    /// <param name="device">The device, which decides the shapes of products.</param>
    /// <param name="frameCount">Frames of each group; 1 for images.</param>
    public static IReadOnlyList<ForwardStep> Describe(ResamplerConfig config, bool hasKeyValueInput, PatchGrid grid,
        int groupCount, Precision precision, DeviceProperties device, int frameCount = 1)
    {
        bool isBits16 = precision is Precision.Float16 or Precision.BFloat16;
        bool hasGate = config.Gate is not null;
        Planner planner = new(config, hasKeyValueInput, isBits16 ? ScopeSchedule.Costs : Float32Model.Costs);
        ExecutionPlan plan = planner.Plan(grid);
        Batch batch = new(new BatchPlan([.. Enumerable.Repeat(plan, groupCount * frameCount)],
            [.. Enumerable.Repeat(frameCount, groupCount)], config.QueryGrid.QueryCount));
        if (!isBits16)
        {
            Float32Steps steps = new(new ModelLayout(config, sizeof(float)),
                Float32Weights.Describe(hasKeyValueInput, hasGate), device, precision == Precision.TensorFloat32,
                float.PositiveInfinity);
            return [.. steps.List(batch, default, default)];
        }

        Bits16Steps bits16Steps = new(new ModelLayout(config, sizeof(ushort)),
            Bits16Weights.Describe(hasKeyValueInput, hasGate),
            precision == Precision.Float16 ? Bits16Kernels.Float16 : Bits16Kernels.BFloat16, device,
            float.PositiveInfinity);
        return [.. bits16Steps.List(batch, default, default)];
    }
}
