using MsResampler.Cpu;
using MsResampler.Training;

namespace MsResampler.Cli.Training;

/// <summary>Checks the memory of the largest batch before the training starts.</summary>
internal static class BatchMemory
{
    /// <summary>Checks that the machine has the memory of a training.</summary>
    /// <param name="what">The origin of the size for the error message.</param>
    /// <param name="options">The options of the training.</param>
    /// <param name="groups">The images, or groups of frames.</param>
    /// <param name="trainer">The trainer.</param>
    /// <exception cref="InputException">The machine has less, or a buffer would be too large.</exception>
    public static void Require(string what, TrainingOptions options, InputGroups groups, ResamplerTrainer trainer)
    {
        ResamplerConfig config = trainer.Model.Config;
        int[] items = LargestBatch(options, [.. Enumerable.Range(0, groups.Count).Select(groups.PatchCountOf)]);
        List<PatchGrid> grids = [];
        List<int> ids = [];
        foreach (int item in items)
        {
            grids.AddRange(groups.GridsOf(item));
            ids.AddRange(groups.AreImages ? [] : groups.Slice(item, item + 1).TemporalIds);
        }

        (long activations, long gradients) = trainer.Measure(groups.AreImages ? new FrameGroups(grids.ToArray())
            : new FrameGroups(grids.ToArray(), ids.ToArray(), [.. items.Select(item => groups.GridsOf(item).Length)]));
        if (Math.Max(activations, gradients) > AlignedBuffer.MaxCount)
            throw new InputException($"{what}: about {Bytes(Math.Max(activations, gradients))} of memory are needed " +
                $"in one buffer; at most {Bytes(AlignedBuffer.MaxCount)} are possible");
        // Features, tokens and the teacher's tokens of the batch; for each weight its gradient and two moments, and the
        // average.
        double weights = trainer.Model.Tensors.Sum(tensor => (double)tensor.Count);
        double features = grids.Sum(grid => (double)grid.PatchCount) * config.VisionHiddenSize;
        double tokens = (double)items.Length * config.QueryGrid.QueryCount * config.OutputSize;
        CallSize.RequireMemory(what, sizeof(float) * (activations + gradients + features + (2 * tokens)
            + ((options.AverageDecay is null ? 4 : 5) * weights)));
    }

    /// <summary>The items of the largest batch that can occur. A batch takes the last items of an epoch, whole epochs
    /// and the first items of another; each of these parts may be the largest items.</summary>
    /// <param name="options">The options of the training.</param>
    /// <param name="sizes">The size of each item.</param>
    public static int[] LargestBatch(TrainingOptions options, IReadOnlyList<long> sizes)
    {
        int count = sizes.Count;
        int[] order = [.. Enumerable.Range(0, count).OrderByDescending(item => sizes[item])];
        long[] sums = new long[count + 1];
        for (int index = 0; index < count; index++)
            sums[index + 1] = sums[index] + sizes[order[index]];
        (int First, int Whole, int Last) best = default;
        long largest = -1;
        // The place in the epoch at which a step starts repeats after at most this many steps.
        for (long step = 0; step < Math.Min(options.StepCount, count); step++)
        {
            int place = (int)(step * options.BatchSize % count);
            int first = place == 0 ? 0 : Math.Min(options.BatchSize, count - place);
            (int whole, int last) = Math.DivRem(options.BatchSize - first, count);
            long sum = sums[first] + (whole * sums[count]) + sums[last];
            if (sum > largest)
                (largest, best) = (sum, (first, whole, last));
        }

        return [.. order.Take(best.First), .. Enumerable.Repeat(order, best.Whole).SelectMany(items => items),
            .. order.Take(best.Last)];
    }

    private static string Bytes(double floats) => $"{Quantity.Scaled(sizeof(float) * floats)}B";
}
