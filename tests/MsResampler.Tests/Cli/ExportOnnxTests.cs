using MsResampler.Onnx.Proto;

namespace MsResampler.Tests.Cli;

internal sealed class ExportOnnxTests : CliFixture
{
    [Test]
    public void The_file_is_a_graph_for_the_requested_grid()
    {
        string output = CliRun.Of("export-onnx", "--model", Model, "--out", In("m.onnx"), "--grid", "4x6")
            .Succeeds().Output;

        ModelProto model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(In("m.onnx")));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(model.Graph.Input[0].Type.TensorType.Shape.Dim.Skip(1).Select(extent => extent.DimValue),
                Is.EqualTo(new[] { 4, 6, 12 }));
            Assert.That(output, Does.Contain("features [batch, 4, 6, 12] -> tokens [batch, 6, 5]"));
            Assert.That(TemporaryFiles(), Is.Empty);
        }
    }

    [Test]
    public void A_failed_export_leaves_the_file_unchanged()
    {
        File.WriteAllText(In("kept.onnx"), "kept");
        CliRun.Of("export-onnx", "--model", In("none"), "--out", In("kept.onnx")).FailsNaming("none");
        Assert.That(File.ReadAllText(In("kept.onnx")), Is.EqualTo("kept"));
    }
}
