using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Training.Attention;

namespace MsResampler.Training.Tests.Attention;

/// <summary>The results of <see cref="ScopeAttention{TSimd, TVector}"/> for a case.</summary>
internal sealed unsafe class AttentionRun<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <param name="inputs">The case.</param>
    /// <param name="padding">Floats between rows.</param>
    /// <param name="earlier">The value of the gradients of keys and values before the call, which adds to
    /// them.</param>
    /// <param name="omitted">The gradient that is not asked for.</param>
    public AttentionRun(AttentionCase inputs, int padding = 3, float earlier = 0,
        GradientsOfHead omitted = GradientsOfHead.None)
    {
        int headSize = inputs.HeadSize;
        int frameCount = inputs.Grids.Length;
        ScopeAttention<TSimd, TVector> attention = new(inputs.Scope, inputs.Config);
        FrameGeometry[] geometries = [.. inputs.Grids.Select(attention.CreateGeometry)];
        PaddedRows[] queries = [.. inputs.Queries.Select(Rows)];
        PaddedRows[] keys = [.. inputs.Keys.Select(Rows)];
        PaddedRows[] values = [.. inputs.PatchValues.Select(Rows)];
        PaddedRows[] queryGradients = [.. inputs.Queries.Select(Rows)];
        PaddedRows[] keyGradients = [.. inputs.Keys.Select(frame => Rows(Filled(frame.Length, earlier)))];
        PaddedRows[] valueGradients = [.. inputs.Keys.Select(frame => Rows(Filled(frame.Length, earlier)))];
        PaddedRows outputs = Rows(Filled(inputs.QueryCount * headSize, float.NaN));
        PaddedRows outputGradients = Rows(inputs.OutputGradients);
        PaddedRows maxima = new(Filled(inputs.QueryCount, float.NaN), 1, 1);
        PaddedRows totals = new(Filled(inputs.QueryCount, float.NaN), 1, 1);
        PaddedRows logSigma = new(inputs.LogSigma ?? [0, 0], 2, 2);
        PaddedRows sigmaGradients = new([float.NaN, float.NaN], 2, 2);
        HeadFrame[] frames = [.. Enumerable.Range(0, frameCount).Select(frame => new HeadFrame(geometries[frame],
            queries[frame].Pointer, queries[frame].Stride, keys[frame].Pointer, values[frame].Pointer,
            keys[frame].Stride)
        {
            QueryGradients = omitted == GradientsOfHead.Queries ? 0 : queryGradients[frame].Pointer,
            KeyGradients = omitted == GradientsOfHead.Keys ? 0 : keyGradients[frame].Pointer,
            ValueGradients = omitted == GradientsOfHead.Values ? 0 : valueGradients[frame].Pointer,
        })];
        HeadGroup group = new(outputs.Pointer, outputs.Stride, maxima.Pointer, totals.Pointer)
        {
            LogSigma = inputs.LogSigma is null ? 0 : logSigma.Pointer,
            OutputGradients = outputGradients.Pointer,
            SigmaGradients = omitted == GradientsOfHead.Sigma ? 0 : sigmaGradients.Pointer,
        };
        AlignedBuffer scratch = new(geometries.Max(attention.ScratchCount));
        scratch.Span.Fill(float.NaN);
        attention.Forward(group, frames, scratch.Pointer, CancellationToken.None);
        scratch.Span.Fill(float.NaN);
        attention.Backward(group, frames, scratch.Pointer, CancellationToken.None);
        Outputs = outputs.Read("outputs");
        QueryGradients = [.. queryGradients.Select(frame => frame.Read("query gradients"))];
        KeyGradients = [.. keyGradients.Select(frame => frame.Read("key gradients"))];
        ValueGradients = [.. valueGradients.Select(frame => frame.Read("value gradients"))];
        SigmaGradients = sigmaGradients.Read("sigma gradients");
        maxima.Read("maxima");
        totals.Read("totals");
        GC.KeepAlive((queries, keys, values, outputGradients, logSigma, scratch));

        PaddedRows Rows(float[] frame) => new(frame, headSize, headSize + padding);
    }

    public float[] Outputs { get; }

    public float[][] QueryGradients { get; }

    public float[][] KeyGradients { get; }

    public float[][] ValueGradients { get; }

    public float[] SigmaGradients { get; }

    private static float[] Filled(int count, float value)
    {
        float[] values = new float[count];
        Array.Fill(values, value);
        return values;
    }
}
