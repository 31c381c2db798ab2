using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Inputs;

/// <summary>Checks features, grids, groups and temporal ids against each other.</summary>
internal static class FrameLayout
{
    /// <summary>Reads the grids, and checks that their patches are the rows of the features.</summary>
    /// <param name="values">Rows and columns of each grid.</param>
    /// <param name="rowCount">The number of rows of the features.</param>
    /// <exception cref="ServerException">A grid is empty, or the numbers differ.</exception>
    public static PatchGrid[] ReadGrids(ReadOnlySpan<int> values, long rowCount)
    {
        PatchGrid[] grids = new PatchGrid[values.Length / 2];
        Int128 patchCount = 0;
        for (int frame = 0; frame < grids.Length; frame++)
        {
            PatchGrid grid = new(values[2 * frame], values[(2 * frame) + 1]);
            if (grid.Rows < 1 || grid.Columns < 1)
            {
                throw Invalid(TensorNames.Grids,
                    $"row {frame}: expected a patch grid of at least 1x1, found {grid}");
            }

            grids[frame] = grid;
            patchCount += grid.PatchCount;
        }

        if (patchCount != rowCount)
        {
            throw Invalid(TensorNames.Features, $"expected {patchCount} rows, the patches of all grids, found "
                + $"{rowCount}");
        }

        return grids;
    }

    /// <summary>Checks that groups add up to the frames.</summary>
    /// <exception cref="ServerException">A group is empty, or the numbers differ.</exception>
    public static void CheckGroups(ReadOnlySpan<int> frameCounts, int frameCount)
    {
        long sum = 0;
        for (int group = 0; group < frameCounts.Length; group++)
        {
            if (frameCounts[group] < 1)
            {
                throw Invalid(TensorNames.Groups,
                    $"group {group}: expected at least 1 frame, found {frameCounts[group]}");
            }

            sum += frameCounts[group];
        }

        if (sum != frameCount)
        {
            throw Invalid(TensorNames.Groups, "expected numbers of frames that add up to "
                + $"{frameCount}, the number of grids, found {sum}");
        }
    }

    /// <summary>Checks temporal ids.</summary>
    /// <exception cref="ServerException">An id is below −1, or there is not one for each frame.</exception>
    public static void CheckTemporalIds(ReadOnlySpan<int> temporalIds, int frameCount)
    {
        if (temporalIds.Length != frameCount)
        {
            throw Invalid(TensorNames.TemporalIds,
                $"expected {frameCount} ids, one for each grid, found {temporalIds.Length}");
        }

        for (int frame = 0; frame < temporalIds.Length; frame++)
        {
            if (temporalIds[frame] < -1)
            {
                throw Invalid(TensorNames.TemporalIds, $"frame {frame}: expected an id of at least 0, or -1 for none, "
                    + $"found {temporalIds[frame]}");
            }
        }
    }

    /// <summary>The error for the first feature that is NaN or infinite.</summary>
    public static ServerException NotFinite(InferenceRequest request, int channelCount)
    {
        ReadOnlySpan<float> features = request.Features.Span;
        int index = 0;
        while (float.IsFinite(features[index]))
            index++;
        FrameGroups frames = request.Frames;
        InvalidFeaturesException found = InvalidFeaturesException.At(features, index, frames, channelCount);
        int frame = frames.FirstFrameOf(found.ImageIndex) + found.FrameIndex;
        return Invalid(TensorNames.Features, $"{frames.NameOf(frame)} ({frames.Grids[frame]} patches): the feature at "
            + $"row {found.Row}, column {found.Column}, channel {found.Channel} is {TextOf(features[index])}; every "
            + "feature must be finite");
    }

    private static string TextOf(float value)
        => float.IsNaN(value) ? "NaN" : value > 0 ? "infinity" : "-infinity";

    private static ServerException Invalid(string name, string message)
        => new(ErrorKind.InvalidRequest, $"input '{name}': {message}");
}
