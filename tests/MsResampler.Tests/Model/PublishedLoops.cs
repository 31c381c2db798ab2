using MsResampler.Safetensors;

namespace MsResampler.Tests.Model;

/// <summary>A published resampler in plain loops and double precision, from the tensors of its file. It is independent
/// of the loader and of every implementation, and follows the published modules: torch.nn.MultiheadAttention with heads
/// of 128 channels, positions on queries and keys, and <c>x @ proj</c>.</summary>
internal sealed class PublishedLoops(string path, PublishedFamily family)
{
    private const int Width = PublishedFamily.Width;
    private const int HeadSize = 128;

    private readonly Dictionary<string, double[]> _tensors = ReadAll(path);

    /// <summary>The tokens of a group of frames, [M, D].</summary>
    public double[] Resample(float[] features, params (PatchGrid Grid, int TemporalId)[] frames)
    {
        int queryCount = family.QueryRows * family.QueryColumns;
        double[] queries = Norm("ln_q", Get("query"));
        if (family.Positions.Queries == PositionEmbeddingType.Stored)
            queries = Add(queries, Get("pos_embed"));
        double[] values = Norm("ln_kv", Linear([.. features.Select(value => (double)value)],
            PublishedFamily.ChannelCount, Get("kv_proj.weight"), 0, null));
        double[] keys = Add(values, [.. frames.SelectMany(Positions)]);

        double[] q = Linear(queries, Width, Get("attn.in_proj_weight"), 0, Get("attn.in_proj_bias"));
        double[] k = Linear(keys, Width, Get("attn.in_proj_weight"), 1, Get("attn.in_proj_bias"));
        double[] v = Linear(values, Width, Get("attn.in_proj_weight"), 2, Get("attn.in_proj_bias"));
        double[] heads = Attend(q, k, v, queryCount);
        double[] output = Norm("ln_post", Linear(heads, Width, Get("attn.out_proj.weight"), 0,
            Get("attn.out_proj.bias")));

        double[] proj = Get("proj");
        double[] tokens = new double[queryCount * Width];
        for (int row = 0; row < queryCount; row++)
            for (int inner = 0; inner < Width; inner++)
                for (int column = 0; column < Width; column++)
                    tokens[(row * Width) + column] +=
                        output[(row * Width) + inner] * proj[(inner * Width) + column];
        return tokens;
    }

    /// <summary>Softmax of each head over all keys.</summary>
    private static double[] Attend(double[] q, double[] k, double[] v, int queryCount)
    {
        int keyCount = k.Length / Width;
        double[] result = new double[queryCount * Width];
        for (int query = 0; query < queryCount; query++)
        {
            for (int head = 0; head < Width; head += HeadSize)
            {
                double[] weights = new double[keyCount];
                for (int key = 0; key < keyCount; key++)
                    for (int channel = head; channel < head + HeadSize; channel++)
                        weights[key] += q[(query * Width) + channel] * k[(key * Width) + channel] / Math.Sqrt(HeadSize);
                double max = weights.Max();
                double sum = weights.Sum(weight => Math.Exp(weight - max));
                for (int key = 0; key < keyCount; key++)
                    for (int channel = head; channel < head + HeadSize; channel++)
                        result[(query * Width) + channel] +=
                            Math.Exp(weights[key] - max) / sum * v[(key * Width) + channel];
            }
        }

        return result;
    }

    private double[] Positions((PatchGrid Grid, int TemporalId) frame)
    {
        double[] time = family.Positions.Frames == FrameEmbeddingType.None || frame.TemporalId < 0
            ? new double[Width] : Waves(Width, frame.TemporalId);
        if (family.Positions.Keys == PositionEmbeddingType.Stored)
        {
            Assert.That((frame.Grid.Rows, frame.Grid.Columns), Is.EqualTo((family.QueryRows, family.QueryColumns)),
                "the table is not resized here");
            return Get("pos_embed");
        }

        return [.. Enumerable.Range(0, (int)frame.Grid.PatchCount).SelectMany(patch => Add(
            [.. Waves(Width / 2, patch % frame.Grid.Columns), .. Waves(Width / 2, patch / frame.Grid.Columns)], time))];
    }

    /// <summary>Sines, then cosines, of a position times 10000^(−k/(width/2)).</summary>
    private static double[] Waves(int width, double position)
    {
        double[] angles = [.. Enumerable.Range(0, width / 2)
            .Select(k => position * Math.Pow(10000, -k / (width / 2.0)))];
        return [.. angles.Select(Math.Sin), .. angles.Select(Math.Cos)];
    }

    private double[] Norm(string name, double[] rows)
    {
        double[] weight = Get(name + ".weight");
        double[] bias = Get(name + ".bias");
        return [.. rows.Chunk(Width).SelectMany(row =>
        {
            double mean = row.Average();
            double divisor = Math.Sqrt(row.Average(value => (value - mean) * (value - mean)) + 1e-6);
            return row.Select((value, channel) => ((value - mean) / divisor * weight[channel]) + bias[channel]);
        })];
    }

    /// <summary>Multiplies rows with one of the stacked matrices [D, inputs], transposed.</summary>
    private static double[] Linear(double[] rows, int inputs, double[] weight, int part, double[]? bias)
    {
        double[] result = new double[rows.Length / inputs * Width];
        for (int row = 0; row < rows.Length / inputs; row++)
        {
            for (int output = 0; output < Width; output++)
            {
                double sum = bias?[(part * Width) + output] ?? 0;
                for (int inner = 0; inner < inputs; inner++)
                    sum += rows[(row * inputs) + inner] * weight[(((part * Width) + output) * inputs) + inner];
                result[(row * Width) + output] = sum;
            }
        }

        return result;
    }

    private static double[] Add(double[] left, double[] right)
        => [.. left.Zip(right, (first, second) => first + second)];

    private double[] Get(string role)
        => _tensors.GetValueOrDefault(family.Prefix + role) ?? _tensors[family.Outer + role];

    private static Dictionary<string, double[]> ReadAll(string path)
    {
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);
        return checkpoint.Tensors.ToDictionary(tensor => tensor.Name, tensor =>
        {
            double[] values = new double[tensor.ElementCount];
            checkpoint.Read(tensor, 0, values);
            return values;
        });
    }
}
