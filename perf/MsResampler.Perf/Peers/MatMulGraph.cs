using Google.Protobuf;
using MsResampler.Onnx;

namespace MsResampler.Perf.Peers;

/// <summary>An ONNX graph with one MatMul, whose right operand is constant.</summary>
internal static class MatMulGraph
{
    /// <param name="shape">The extents.</param>
    /// <param name="b">Bᵀ, [columns, inner].</param>
    public static byte[] Write(GemmShape shape, float[] b)
    {
        float[] transposed = new float[b.Length];
        for (int column = 0; column < shape.Columns; column++)
            for (int k = 0; k < shape.Inner; k++)
                transposed[(k * shape.Columns) + column] = b[(column * shape.Inner) + k];
        OnnxGraph graph = new("matmul");
        string product = graph.MatMul("product", graph.Input(OnnxExporter.InputName, shape.Rows, shape.Inner),
            graph.Constant("b", transposed, shape.Inner, shape.Columns));
        graph.Output(OnnxExporter.OutputName, product, shape.Rows, shape.Columns);
        return graph.ToModel("One matrix product").ToByteArray();
    }
}
