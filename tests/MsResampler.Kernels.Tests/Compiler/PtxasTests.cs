using MsResampler.Cli;
using MsResampler.Cli.Ptx;

namespace MsResampler.Kernels.Tests.Compiler;

public sealed class PtxasTests
{
    [Test]
    public void The_report_of_the_assembler_is_parsed()
    {
        const string Log = """
            ptxas info    : 0 bytes gmem
            ptxas info    : Compiling entry function 'Kernel_X' for 'sm_80'
            ptxas info    : Function properties for Kernel_X
                24 bytes stack frame, 16 bytes spill stores, 20 bytes spill loads
            ptxas info    : Used 122 registers, 4096 bytes smem, 396 bytes cmem[0]
            """;
        const string Listing = """
            	code for sm_80
            		Function : Kernel_X
            	.headerflags	@"EF_CUDA_TEXMODE_UNIFIED EF_CUDA_64BIT_ADDRESS EF_CUDA_SM80"
                    /*0000*/                   MOV R1, c[0x0][0x28] ;                  /* 0x00000a0000017a02 */
                                                                                       /* 0x000fe40000000f00 */
                    /*0010*/               @P0 LDG.E.128 R4, [R2.64] ;                 /* 0x0000000402047981 */
                    /*0020*/              @!P1 LDG.E R4, [R2.64] ;                     /* 0x0000000402047981 */
                    /*0030*/                   LDGSTS.E.BYPASS.128 [R2], [R4.64] ;     /* 0x0000000402047981 */
                    /*0040*/                   EXIT ;                                  /* 0x000000000000794d */
            """;

        PtxasReport report = PtxasReport.Parse(Log);
        MachineCode code = Ptxas.ParseListing(Listing);

        Assert.That(report.Registers, Is.EqualTo(122));
        Assert.That(report.SharedBytes, Is.EqualTo(4096));
        Assert.That(report.StackBytes, Is.EqualTo(24));
        Assert.That(report.SpillBytes, Is.EqualTo(36));
        Assert.That(code.Instructions.Values.Sum(), Is.EqualTo(5));
        Assert.That(code.Count("LDG"), Is.EqualTo(2));
        Assert.That(code.Count("LDG.E.128"), Is.EqualTo(1));
        Assert.That(code.Count("LDGSTS"), Is.EqualTo(1));
    }

    [Test]
    public void A_kernel_without_shared_memory_reports_none()
    {
        PtxasReport report = PtxasReport.Parse(
            "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n" +
            "ptxas info    : Used 8 registers, 368 bytes cmem[0]\n");

        Assert.That((report.Registers, report.SharedBytes), Is.EqualTo((8, 0)));
    }

    [Test]
    public void A_rejected_text_is_an_error_with_the_assembler_message()
    {
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip();
        const string Text = ".version 7.0\n.target sm_80\n.address_size 64\nnonsense;";
        var kernel = new CompiledKernel("bad", "Bad", Text, [], ParameterBytes: 0);

        foreach (Ptxas ptxas in all)
        {
            Assert.That(() => ptxas.Assemble(kernel, 80), Throws.TypeOf<InputException>()
                .With.Message.Contains("nonsense").Or.Message.Contains("syntax error"), $"{ptxas}");
        }
    }
}
