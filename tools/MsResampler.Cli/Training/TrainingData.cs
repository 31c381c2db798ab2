using System.IO.Hashing;
using System.Runtime.InteropServices;
using MsResampler.Training;

namespace MsResampler.Cli.Training;

/// <summary>Features and tokens of a teacher from files, read image by image.</summary>
/// <param name="groups">The images, or groups of frames. The caller disposes their source.</param>
/// <param name="teacher">The tokens. The caller disposes them.</param>
/// <param name="config">The student.</param>
internal sealed class TrainingData(InputGroups groups, TeacherTokens teacher, ResamplerConfig config)
    : IDistillationData
{
    private static readonly int[] s_noTime = [-1];

    public int ItemCount => groups.Count;

    public ReadOnlySpan<PatchGrid> GridsOf(int item) => groups.GridsOf(item);

    public ReadOnlySpan<int> TemporalIdsOf(int item)
        => groups.AreImages ? s_noTime : groups.Slice(item, item + 1).TemporalIds;

    public void ReadFeatures(int item, Span<float> destination)
    {
        int first = groups.FirstFrameOf(item);
        for (int frame = first; frame < groups.FirstFrameOf(item + 1); frame++)
        {
            PatchGrid grid = groups.GridsOf(item)[frame - first];
            Span<float> features = destination[..(grid.Rows * grid.Columns * config.VisionHiddenSize)];
            groups.Source.Read(frame, features);
            FiniteFeatures.Check(features, config.VisionHiddenSize, grid, () => groups.DescribeFrame(frame));
            destination = destination[features.Length..];
        }
    }

    public void ReadTokens(int item, Span<float> destination) => teacher.Read(item, destination);

    /// <summary>A hash of all grids, features and tokens. Reads all of them once.</summary>
    public string Fingerprint(CancellationToken cancellationToken)
    {
        XxHash128 hash = new();
        float[] tokens = new float[teacher.TokenCount * teacher.TokenWidth];
        float[] features = [];
        for (int item = 0; item < ItemCount; item++)
            hash.Append(MemoryMarshal.AsBytes(GridsOf(item)));
        for (int item = 0; item < ItemCount; item++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int count = checked((int)(groups.PatchCountOf(item) * config.VisionHiddenSize));
            if (features.Length < count)
                features = GC.AllocateUninitializedArray<float>(count);
            ReadFeatures(item, features.AsSpan(0, count));
            ReadTokens(item, tokens);
            hash.Append(MemoryMarshal.AsBytes(features.AsSpan(0, count)));
            hash.Append(MemoryMarshal.AsBytes(tokens.AsSpan()));
            hash.Append(MemoryMarshal.AsBytes(TemporalIdsOf(item)));
        }

        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }
}
